/** Values of environment files: always text, read as what they mean. */
import { z } from 'zod';

/** Items separated by commas; empty ones are none. */
export const list = <T extends z.ZodType<unknown, string>>(item: T) =>
  z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .pipe(z.array(item));

/** Digits alone, within bounds. */
export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.int().min(min, `at least ${min}`).max(max, `at most ${max}`));

/** A size, with up to three decimals. */
export const gigabytes = (max: number) =>
  z
    .string()
    .regex(/^\d{1,7}(\.\d{1,3})?$/, 'a number of gigabytes such as 20 or 0.5')
    .transform(Number)
    .pipe(z.number().max(max, `at most ${max}`));

/** Scheme, host and port of a server. */
export const origin = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain = url && /^https?:$/.test(url.protocol) && !url.username && !url.search && !url.hash;
  // Requests are signed over their path: a gateway that adds or removes a prefix would break every signature.
  if (isPlain && url.pathname === '/') return url.origin;
  context.addIssue('an address such as http://10.66.0.1:8088, without a path');
  return z.NEVER;
});
