/** Names that were perhaps meant, for messages. */

/** More do not help anybody, and messages stay readable. */
var MAX_CANDIDATES = 20;
/** Beyond this, names are listed in their order: comparing is slow in ExtendScript. */
var MAX_COMPARED = 300;
var COMPARED_LENGTH = 40;

/** At most 20 different names, those like `wanted` first. */
export function candidatesFor(wanted: string, names: readonly string[]): string[] {
  var listed: { name: string; distance: number; index: number }[] = [];
  var seen: Record<string, boolean> = {};
  for (var index = 0; index < names.length && listed.length < MAX_COMPARED; index++) {
    // The prefix keeps names such as "constructor" apart from what every object has.
    var key = 'name ' + names[index];
    if (seen[key] === true) continue;
    seen[key] = true;
    listed.push({ name: names[index], distance: distance(wanted, names[index]), index: index });
  }
  listed.sort(function (one, other) {
    return one.distance === other.distance ? one.index - other.index : one.distance - other.distance;
  });
  var found: string[] = [];
  for (var at = 0; at < listed.length && at < MAX_CANDIDATES; at++) found.push(listed[at].name);
  return found;
}

/** Single characters to change (Levenshtein), without regard to case; one that contains the other is near. */
function distance(wanted: string, name: string): number {
  var one = wanted.toLowerCase().substring(0, COMPARED_LENGTH);
  var other = name.toLowerCase().substring(0, COMPARED_LENGTH);
  if (one === other) return 0;
  if (one !== '' && other !== '' && (one.indexOf(other) !== -1 || other.indexOf(one) !== -1)) return 1;
  var row: number[] = [];
  for (var start = 0; start <= other.length; start++) row.push(start);
  for (var i = 1; i <= one.length; i++) {
    var diagonal = row[0];
    row[0] = i;
    for (var j = 1; j <= other.length; j++) {
      var above = row[j];
      var same = one.charAt(i - 1) === other.charAt(j - 1);
      row[j] = Math.min(above + 1, row[j - 1] + 1, diagonal + (same ? 0 : 1));
      diagonal = above;
    }
  }
  return row[other.length] + 1;
}
