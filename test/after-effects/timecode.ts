/** SMPTE time code as After Effects displays it: hours without a leading zero, `;` everywhere with drop-frame. */

/** Time code of a frame number. 29.97 and 23.976 count 30 and 24 frames a second. */
export function timecode(frame: number, fps: number, dropFrame: boolean): string {
  const base = Math.round(fps);
  const isDropped = dropFrame && base % 30 === 0;
  const counted = isDropped ? frame + droppedBefore(frame, base) : frame;
  const parts = [
    Math.floor(counted / (base * 60)) % 60,
    Math.floor(counted / base) % 60,
    ((counted % base) + base) % base,
  ];
  const separator = isDropped ? ';' : ':';
  const hours = Math.floor(counted / (base * 3600));
  return [String(hours), ...parts.map((part) => String(part).padStart(2, '0'))].join(separator);
}

/** Numbers skipped before a frame: two (four at 60) a minute, except each tenth. */
function droppedBefore(frame: number, base: number): number {
  const perMinute = base / 15;
  const tenMinutes = base * 600 - perMinute * 9;
  const tens = Math.floor(frame / tenMinutes);
  const rest = frame - tens * tenMinutes;
  const minutes = rest < base * 60 ? 0 : 1 + Math.floor((rest - base * 60) / (base * 60 - perMinute));
  return perMinute * (tens * 9 + minutes);
}
