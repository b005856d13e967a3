import { z } from 'zod';

/** A node, template, input or output name: what people type, safe in paths, URLs and object keys. */
export const Name = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,62}$/,
    'lower-case letters, digits and hyphens, 1 to 63 characters, not starting with a hyphen',
  );

/** An input's name: a word that is also a valid key in scripts (`title`, `logoImage`, `line_2`). */
export const InputName = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_]{0,62}$/,
    'a letter, then letters, digits or underscores, at most 63 characters',
  );

/** A semantic version, `major.minor.patch` with an optional pre-release. */
export const Version = z
  .string()
  .max(64)
  .regex(
    /^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})(-[0-9A-Za-z.-]{1,40})?$/,
    'a version such as 1.2.0',
  );

/**
 * A text that people give things for a name, shown in lists and terminals: of one line, and without what a terminal
 * takes for a command.
 */
export const Label = z.string().regex(/^\P{Cc}*$/u, 'text without control characters');

/** sha256 in lower-case hex. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal characters');

/** An instant as ISO 8601 in UTC. */
export const Instant = z.iso.datetime();

/** What renders. */
export const EngineName = z.enum(['aerender', 'lottie', 'ffmpeg', 'mock']);
export type EngineName = z.infer<typeof EngineName>;

/** What a node does (`NODE_ROLE`). */
export const Role = z.enum(['render', 'builder', 'deploy']);
export type Role = z.infer<typeof Role>;

/** The refusal of any request: never a stack. */
export const ErrorAnswer = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
    retryable: z.boolean().optional(),
    details: z.record(z.string(), z.unknown()).optional(),
    requestId: z.string().optional(),
    serverTime: z.string().optional(),
  }),
});

/** What a node in mock mode (`AE_PATH=`) says is its version of After Effects: it makes test pictures. */
export const MOCK_MODE_VERSION = '0';
