/** A small writer of RIFX files and of After Effects projects in them, as far as the inspector reads them. */

/** A chunk: id, size, data, padding. */
export function chunk(id: string, data: Buffer | string = Buffer.alloc(0)): Buffer {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  const head = Buffer.alloc(8);
  head.write(id, 0, 'latin1');
  head.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([head, bytes, Buffer.alloc(bytes.length & 1)]);
}

/** A `LIST` chunk of chunks. */
export function list(type: string, ...chunks: readonly Buffer[]): Buffer {
  return chunk('LIST', Buffer.concat([Buffer.from(type, 'latin1'), ...chunks]));
}

/** A whole file around chunks. */
export function rifx(...chunks: readonly Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from('Egg!'), ...chunks]);
  const head = Buffer.alloc(8);
  head.write('RIFX', 0, 'latin1');
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}

/** A project around items; the XMP packet behind the RIFX data is that of real files, in short. */
export function aepFile(items: readonly Buffer[], head: Buffer = versionChunk()): Buffer {
  const xmp = Buffer.from('<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>');
  return Buffer.concat([rifx(head, list('Fold', chunk('fdta', Buffer.alloc(14)), ...items)), xmp]);
}

/** `head` of After Effects 23.5.0x52 on Windows, or another. */
export function versionChunk(
  made: {
    major?: number;
    minor?: number;
    patch?: number;
    build?: number;
    system?: number;
    bit30?: boolean;
  } = {},
): Buffer {
  const { major = 23, minor = 5, patch = 0, build = 52, system = 12, bit30 = false } = made;
  const data = Buffer.alloc(20);
  const bits = [
    bit30 ? 1 << 30 : 0,
    (major >> 3) << 26,
    system << 22,
    (major & 7) << 19,
    minor << 15,
    patch << 11,
    1 << 9,
    build,
  ];
  data.writeUInt32BE(
    bits.reduce((all, part) => (all | part) >>> 0, 0),
    4,
  );
  return chunk('head', data);
}

export interface ItemOptions {
  readonly id: number;
  readonly name?: string;
}

function item(type: number, { id, name = '' }: ItemOptions, ...rest: readonly Buffer[]): Buffer {
  const data = Buffer.alloc(84);
  data.writeUInt16BE(type, 0);
  data.writeUInt32BE(id, 16);
  return list('Item', chunk('idta', data), chunk('Utf8', name), ...rest);
}

export function folderItem(options: ItemOptions, items: readonly Buffer[] = []): Buffer {
  return item(1, options, chunk('sfdt', Buffer.alloc(4)), list('Sfdr', ...items));
}

export interface CompositionOptions extends ItemOptions {
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  /** Seconds as a fraction. */
  readonly duration?: readonly [number, number];
  readonly layers?: readonly Buffer[];
}

export function compositionItem(options: CompositionOptions): Buffer {
  const { width = 1920, height = 1080, fps = 25, duration = [10, 1], layers = [] } = options;
  const data = Buffer.alloc(204);
  data.writeUInt32BE(duration[0], 44);
  data.writeUInt32BE(duration[1], 48);
  data.writeUInt16BE(width, 140);
  data.writeUInt16BE(height, 142);
  data.writeUInt32BE(Math.round(fps * 65_536), 156);
  return item(4, options, chunk('cdta', data), chunk('cdrp', Buffer.from([1])), ...layers);
}

export interface FootageOptions extends ItemOptions {
  readonly width?: number;
  readonly height?: number;
  /** Of a file. */
  readonly path?: string;
  /** Folders up from the project, 1 is its own, and parts of the path down from there. */
  readonly ascend?: readonly [number, number];
  readonly isSequence?: boolean;
  /** Of a solid: name and red, green, blue from 0 to 1. Text in any code page: bytes. */
  readonly solid?: { readonly name: string | Buffer; readonly color?: readonly [number, number, number] };
  readonly placeholder?: string;
}

export function footageItem(options: FootageOptions): Buffer {
  const { width = 640, height = 360, path, ascend, isSequence = false } = options;
  const size = Buffer.alloc(222);
  size.writeUInt32BE(width, 30);
  size.writeUInt32BE(height, 34);
  const counts = ascend ? { ascendcount_base: ascend[0], ascendcount_target: ascend[1] } : {};
  const record = JSON.stringify({ ...counts, fullpath: path, platform: 'Win', target_is_folder: isSequence });
  const alias = path === undefined ? [] : [list('Als2', chunk('alas', record))];
  const source = [chunk('sspc', size), chunk('Utf8'), ...alias, chunk('opti', optionsOf(options))];
  return item(7, options, list('Pin ', ...source, chunk('pgui', Buffer.alloc(16))));
}

function optionsOf({ solid, placeholder }: FootageOptions): Buffer {
  const data = Buffer.alloc(282);
  if (solid) {
    data.write('Soli', 0, 'latin1');
    data.writeUInt16BE(9, 4);
    for (const [at, value] of [1, ...(solid.color ?? [0, 0, 0])].entries())
      data.writeFloatBE(value, 10 + 4 * at);
    Buffer.from(solid.name).copy(data, 26);
  } else if (placeholder !== undefined) {
    data.writeUInt16BE(2, 4);
    data.write(placeholder, 10);
  } else {
    data.write('png!', 0, 'latin1');
    data.writeUInt16BE(5, 4);
  }
  return data;
}

export interface LayerOptions {
  readonly name?: string;
  /** 0 shows an item, 1 light, 2 camera, 3 text, 4 shape, 5 3D model. */
  readonly type?: number;
  readonly sourceId?: number;
  /** Default: `enabled` alone. */
  readonly flags?: readonly LayerFlag[];
  /** `btdk` data, as {@link textData} makes them. */
  readonly text?: Buffer;
  readonly effects?: readonly {
    readonly matchName: string;
    readonly name: string;
    readonly renamed?: string;
  }[];
  /** More chunks, e.g. to fill a file. */
  readonly more?: readonly Buffer[];
}

export type LayerFlag = keyof typeof FLAGS;

/** Byte of `ldta` and bit. */
const FLAGS = {
  guide: [37, 0x02],
  null: [38, 0x80],
  solo: [38, 0x08],
  threeD: [38, 0x04],
  adjustment: [38, 0x02],
  shy: [39, 0x40],
  locked: [39, 0x20],
  enabled: [39, 0x01],
} as const;

export function layer(options: LayerOptions = {}): Buffer {
  const data = Buffer.alloc(160);
  for (const flag of options.flags ?? ['enabled']) {
    const [at, bit] = FLAGS[flag];
    data[at] = (data[at] ?? 0) | bit;
  }
  data.writeUInt32BE(options.sourceId ?? 0, 40);
  data.writeUInt8(options.type ?? 0, 131);
  const properties = [
    ...(options.text ? [matchName('ADBE Text Properties'), textProperties(options.text)] : []),
    ...(options.effects ? [matchName('ADBE Effect Parade'), parade(options.effects)] : []),
    matchName('ADBE Group End'),
  ];
  const chunks = [chunk('ldta', data), chunk('Utf8', options.name ?? ''), list('tdgp', ...properties)];
  return list('Layr', ...chunks, ...(options.more ?? []));
}

/** `tdmn`: 40 bytes. */
export function matchName(name: string): Buffer {
  const data = Buffer.alloc(Math.max(40, name.length));
  data.write(name, 'latin1');
  return chunk('tdmn', data);
}

function textProperties(text: Buffer): Buffer {
  const raw = chunk('LIST', Buffer.concat([Buffer.from('btdk'), text]));
  const document = list('btds', list('tdbs', chunk('tdsb', Buffer.alloc(4))), raw);
  return list('tdgp', matchName('ADBE Text Document'), document, matchName('ADBE Group End'));
}

function parade(effects: NonNullable<LayerOptions['effects']>): Buffer {
  const parts = effects.flatMap((effect) => [
    matchName(effect.matchName),
    list(
      'sspc',
      chunk('fnam', chunk('Utf8', effect.name)),
      list('tdgp', chunk('tdsn', chunk('Utf8', effect.renamed ?? '-_0_/-')), matchName('ADBE Group End')),
    ),
  ]);
  return list('tdgp', ...parts, matchName('ADBE Group End'));
}

/** Data of a text layer: one document, a run per font of it; the fonts that nothing uses come behind. */
export function textData(text: string, fonts: readonly string[], unused: readonly string[] = []): Buffer {
  const font = (name: string) => [' << /0 << /99 /CoolTypeFont /0 << /0 (', utf16(name), ') /2 1 >> >> >>'];
  const run = (_: string, at: number) => [
    ` << /0 << /0 << /0 (`,
    utf16(''),
    `) /6 << /0 ${at} /1 36.0 >> >> >> /1 3 >>`,
  ];
  const parts = [
    '\n/98 << /0 9 >> /0 << /1 << /0 [',
    ...[...fonts, ...unused].flatMap(font),
    ' ] >> >> /1 << /0 << /0 (\\(\\101) /7 .7 /8 true >> /1 [ << /0 << /0 (',
    utf16(`${text}\r`),
    ') /5 << /0 [ ] >> /6 << /0 [',
    ...fonts.flatMap(run),
    ' ] >> >> >> ] /36 /nil >>\n',
  ];
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
}

/** UTF-16 with a byte order mark; parentheses and backslashes escaped byte by byte, as After Effects does. */
function utf16(text: string): Buffer {
  const bytes = Buffer.from(`\ufeff${text}`, 'utf16le').swap16();
  const out: number[] = [];
  for (const byte of bytes) {
    if (byte === 0x28 || byte === 0x29 || byte === 0x5c) out.push(0x5c);
    out.push(byte);
  }
  return Buffer.from(out);
}
