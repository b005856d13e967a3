/** TIFF files. */

/** A baseline TIFF, little-endian, one strip, not compressed: RGBA with unassociated alpha (TIFF 6.0, section 18). */
export function tiff(pixels: Uint8Array, width: number, height: number): Buffer {
  const [short, long] = [3, 4];
  const entries = 11;
  const head = 8 + 2 + entries * 12 + 4;
  const bits = head; // four shorts
  const data = bits + 8;
  const buffer = Buffer.alloc(data + pixels.length);
  buffer.write('II*\0', 0, 'latin1');
  buffer.writeUInt32LE(8, 4);
  buffer.writeUInt16LE(entries, 8);
  const fields: [tag: number, type: number, count: number, value: number][] = [
    [256, long, 1, width],
    [257, long, 1, height],
    [258, short, 4, bits], // BitsPerSample
    [259, short, 1, 1], // Compression: none
    [262, short, 1, 2], // PhotometricInterpretation: RGB
    [273, long, 1, data], // StripOffsets
    [277, short, 1, 4], // SamplesPerPixel
    [278, long, 1, height], // RowsPerStrip
    [279, long, 1, pixels.length], // StripByteCounts
    [284, short, 1, 1], // PlanarConfiguration: chunky
    [338, short, 1, 2], // ExtraSamples: unassociated alpha
  ];
  fields.forEach(([tag, type, count, value], index) => {
    const at = 10 + index * 12;
    buffer.writeUInt16LE(tag, at);
    buffer.writeUInt16LE(type, at + 2);
    buffer.writeUInt32LE(count, at + 4);
    if (type === short && count === 1) buffer.writeUInt16LE(value, at + 8);
    else buffer.writeUInt32LE(value, at + 8);
  });
  for (let sample = 0; sample < 4; sample += 1) buffer.writeUInt16LE(8, bits + sample * 2);
  buffer.set(pixels, data);
  return buffer;
}
