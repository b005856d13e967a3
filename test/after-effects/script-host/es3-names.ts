/** What ECMAScript 3 has (ECMA-262, 3rd edition, chapter 15 and annex B). All else is taken out of the world of a script. */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Names of the global object. */
export const ES3_GLOBALS: readonly string[] = words(`
  NaN Infinity undefined eval parseInt parseFloat isNaN isFinite decodeURI decodeURIComponent encodeURI
  encodeURIComponent escape unescape Object Function Array String Boolean Number Date RegExp Error EvalError RangeError
  ReferenceError SyntaxError TypeError URIError Math`);

const DATE = words(`
  constructor toString toDateString toTimeString toLocaleString toLocaleDateString toLocaleTimeString valueOf getTime
  getFullYear getUTCFullYear getMonth getUTCMonth getDate getUTCDate getDay getUTCDay getHours getUTCHours getMinutes
  getUTCMinutes getSeconds getUTCSeconds getMilliseconds getUTCMilliseconds getTimezoneOffset setTime setMilliseconds
  setUTCMilliseconds setSeconds setUTCSeconds setMinutes setUTCMinutes setHours setUTCHours setDate setUTCDate setMonth
  setUTCMonth setFullYear setUTCFullYear toUTCString getYear setYear toGMTString`);

const OWN = ['length', 'name', 'prototype'];

/**
 * Members of the objects at these paths. Two stay that are newer: `stackTraceLimit`, without which errors have no line, and
 * `flags`, without which regular expressions do not work. `__proto__` is of ExtendScript.
 */
export const ES3_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  Object: OWN,
  'Object.prototype': words(
    'constructor toString toLocaleString valueOf hasOwnProperty isPrototypeOf propertyIsEnumerable __proto__',
  ),
  Function: OWN,
  'Function.prototype': words('constructor toString apply call length name'),
  Array: OWN,
  'Array.prototype': words(
    'constructor toString toLocaleString concat join pop push reverse shift slice sort splice unshift length',
  ),
  String: [...OWN, 'fromCharCode'],
  'String.prototype': words(`
    constructor toString valueOf charAt charCodeAt concat indexOf lastIndexOf localeCompare match replace search slice
    split substring substr toLowerCase toLocaleLowerCase toUpperCase toLocaleUpperCase length`),
  Boolean: OWN,
  'Boolean.prototype': words('constructor toString valueOf'),
  Number: [...OWN, ...words('MAX_VALUE MIN_VALUE NaN NEGATIVE_INFINITY POSITIVE_INFINITY')],
  'Number.prototype': words('constructor toString toLocaleString valueOf toFixed toExponential toPrecision'),
  Date: [...OWN, 'parse', 'UTC'],
  'Date.prototype': DATE,
  RegExp: [...OWN, ...words('$1 $2 $3 $4 $5 $6 $7 $8 $9 input lastMatch lastParen leftContext rightContext')],
  'RegExp.prototype': words(
    'constructor exec test toString compile source global ignoreCase multiline flags',
  ),
  Error: [...OWN, 'stackTraceLimit'],
  'Error.prototype': words('constructor name message toString'),
  Math: words(`
    E LN10 LN2 LOG2E LOG10E PI SQRT1_2 SQRT2 abs acos asin atan atan2 ceil cos exp floor log max min pow random round
    sin sqrt tan`),
};
