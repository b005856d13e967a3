import { z } from 'zod';

/** A path inside the bundle: relative, forward slashes, no `..`. */
export const BundlePath = z
  .string()
  .min(1)
  .max(240)
  .refine(
    (path) =>
      !/[\\:*?"<>|\0]/.test(path) &&
      path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
    'a relative path inside the bundle, with forward slashes',
  );
