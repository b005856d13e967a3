/** Text for people: tables with stable columns, durations, sizes, times. */

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | null | undefined;
  readonly align?: 'left' | 'right';
  /** Colours the padded cell; widths are counted before. */
  readonly paint?: (cell: string, row: Row) => string;
}

/**
 * Rows under upper-case titles, two spaces between columns, `-` for what is not there. The columns are the same on a
 * terminal and in a pipe (`| awk '{print $1}'` works), and nothing is cut off.
 */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = rows.map((row) => columns.map((column) => oneLine(column.value(row))));
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((line) => widthOf(line[index] ?? ''))),
  );
  const lines = cells.map((line, rowIndex) =>
    columns
      .map((column, index) => {
        const text = line[index] ?? '';
        const gap = ' '.repeat((widths[index] ?? 0) - widthOf(text));
        const last = index === columns.length - 1;
        const cell = column.align === 'right' ? gap + text : last ? text : text + gap;
        const row = rows[rowIndex];
        return column.paint && row !== undefined ? column.paint(cell, row) : cell;
      })
      .join('  ')
      .trimEnd(),
  );
  const head = columns
    .map(({ title, align }, index) =>
      align === 'right' ? title.padStart(widths[index] ?? 0) : title.padEnd(widths[index] ?? 0),
    )
    .join('  ')
    .trimEnd();
  return [head.toUpperCase(), ...lines].join('\n');
}

/** `name  value` lines; entries without a value are left out. */
export function facts(entries: readonly (readonly [string, string | number | null | undefined])[]): string {
  const present = entries.filter(([, value]) => value !== null && value !== undefined && value !== '');
  const width = Math.max(0, ...present.map(([name]) => name.length));
  return present.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

function oneLine(value: string | number | null | undefined): string {
  if (value === null || value === undefined || value === '') return '-';
  return String(value).replace(/[\x00-\x1f\x7f]+/g, ' ');
}

const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|^\p{Emoji_Presentation}/u;

/** Columns a text takes on a terminal: East Asian and emoji characters take two. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

/** 840 ms, 4.2 s, 3 min 05 s, 2 h 07 min, 3 d 4 h. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Decimal units as disks are sold and `ls -h --si` prints them: 512 B, 18 kB, 3.4 MB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** How long ago, or how long until: "now", "12 s ago", "in 10 min"; null: "-". */
export function formatRelative(instant: string | number | null, now: number): string {
  if (instant === null) return '-';
  const ms = (typeof instant === 'number' ? instant : Date.parse(instant)) - now;
  const seconds = Math.round(Math.abs(ms) / 1000);
  if (seconds < 1) return 'now';
  const text =
    seconds < 90
      ? `${seconds} s`
      : seconds < 5400
        ? `${Math.round(seconds / 60)} min`
        : seconds < 129_600
          ? `${Math.round(seconds / 3600)} h`
          : `${Math.round(seconds / 86_400)} d`;
  return ms < 0 ? `${text} ago` : `in ${text}`;
}

/** An instant in the local time zone: 2026-01-28 10:30:00. */
export function formatInstant(instant: string | number | null): string {
  if (instant === null) return '-';
  const date = new Date(instant);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** 1 job, 2 jobs. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
