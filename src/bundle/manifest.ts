/** `template.yaml`: the schema of a template's manifest. */
import { z } from 'zod';
import { InputName, Name, Version } from '../protocol/names.ts';
import { PRESETS, type PresetName } from './presets.ts';

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

const Color = z.string().regex(/^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$/, 'a colour such as #ff3366');

const common = {
  description: z.string().max(1000).optional(),
  required: z.boolean().default(false).describe('a job without it is refused; not with a default'),
};

const fileInput = {
  ...common,
  default: BundlePath.optional().describe('a file of the bundle'),
  maxBytes: z
    .int()
    .positive()
    .default(512 * 1024 * 1024),
};

/** One input that a job may set. */
export const InputDefinition = z.discriminatedUnion('type', [
  z
    .object({
      type: z.literal('text'),
      ...common,
      default: z.string().optional(),
      minLength: z.int().nonnegative().default(0).describe('in characters as people count them'),
      maxLength: z.int().positive().max(100_000).default(1000),
      multiline: z.boolean().default(false),
    })
    .strict(),
  z
    .object({
      type: z.literal('number'),
      ...common,
      default: z.number().optional(),
      min: z.number().optional(),
      max: z.number().optional(),
      integer: z.boolean().default(false),
    })
    .strict(),
  z.object({ type: z.literal('color'), ...common, default: Color.optional() }).strict(),
  z.object({ type: z.literal('boolean'), ...common, default: z.boolean().optional() }).strict(),
  z
    .object({
      type: z.literal('choice'),
      ...common,
      default: z.string().optional(),
      options: z.array(z.string().min(1).max(200)).min(1).max(200),
    })
    .strict(),
  z.object({ type: z.literal('image'), ...fileInput }).strict(),
  z
    .object({
      type: z.literal('audio'),
      ...fileInput,
      maxSeconds: z.number().positive().max(86_400).default(3600),
    })
    .strict(),
  z
    .object({
      type: z.literal('video'),
      ...fileInput,
      maxSeconds: z.number().positive().max(86_400).default(3600),
    })
    .strict(),
  z.object({ type: z.literal('font'), ...fileInput }).strict(),
]);
export type InputDefinition = z.infer<typeof InputDefinition>;

/** A font file and the names under which the engine's files ask for it. */
export const BundledFont = z
  .object({
    file: BundlePath,
    names: z.array(z.string().min(1).max(200)).min(1).describe('fName or fFamily in the Lottie file'),
  })
  .strict();

/** Where an input goes in a Lottie file. Layers and assets are addressed by name (`nm`) or id. */
export const LottieBinding = z.discriminatedUnion('to', [
  z
    .object({
      to: z.literal('text'),
      input: InputName,
      layer: z.string().min(1).describe('name of a text layer, or path "Precomp/Layer"'),
      shrink: z.boolean().default(true).describe('reduce the size until the text fits its box or the frame'),
    })
    .strict(),
  z
    .object({
      to: z.literal('color'),
      input: InputName,
      layer: z.string().min(1).describe('solid, shape or text layer: its colour, all fills of a shape layer'),
      shape: z.string().optional().describe('only fills and strokes of the group or item of this name'),
      stroke: z.boolean().default(false).describe('strokes instead of fills'),
    })
    .strict(),
  z
    .object({
      to: z.literal('slot'),
      input: InputName,
      slot: z.string().min(1).describe('id in the file’s slots'),
    })
    .strict(),
  z
    .object({
      to: z.literal('image'),
      input: InputName,
      asset: z.string().min(1).describe('id of an image asset'),
      fit: z.enum(['contain', 'cover', 'stretch']).default('contain'),
    })
    .strict(),
  z.object({ to: z.literal('visible'), input: InputName, layer: z.string().min(1) }).strict(),
  z
    .object({
      to: z.literal('opacity'),
      input: InputName,
      layer: z.string().min(1).describe('number input, 0–100'),
    })
    .strict(),
  z
    .object({
      to: z.literal('font'),
      input: InputName,
      font: z.string().min(1).describe('fName that the given font replaces'),
    })
    .strict(),
]);
export type LottieBinding = z.infer<typeof LottieBinding>;

const LottieSection = z
  .object({
    file: BundlePath,
    fonts: z.array(BundledFont).default([]),
    bind: z.array(LottieBinding).default([]),
    audio: z
      .union([BundlePath, z.object({ input: InputName }).strict()])
      .optional()
      .describe('sound track'),
    background: z
      .object({ input: InputName })
      .strict()
      .optional()
      .describe('colour input that fills what the composition does not cover'),
  })
  .strict();

/** One `-i` of the FFmpeg engine, in order: a file of the bundle, an input, or a generated source. */
export const FfmpegSource = z.union([
  z.object({ file: BundlePath, loop: z.boolean().default(false) }).strict(),
  z
    .object({
      input: InputName,
      loop: z.boolean().default(false).describe('repeat a still image'),
      otherwise: z.string().optional().describe('lavfi source when the input is not given'),
    })
    .strict(),
  z
    .object({
      generate: z
        .string()
        .min(1)
        .max(4000)
        .describe('a lavfi source; {width} {height} {fps} {duration} are filled in'),
    })
    .strict(),
]);

/**
 * A filter graph by the template's author. Placeholders: {width} {height} {fps} {duration}; {input.NAME} for number,
 * colour (0xRRGGBB), boolean (0|1) and choice inputs; {file.NAME} for the escaped path of a text input's file;
 * {font:PATH} for a font of the bundle. Text never becomes part of the graph.
 */
const FfmpegSection = z
  .object({
    sources: z.array(FfmpegSource).min(1).max(32),
    graph: z.string().min(1).max(20_000),
    video: z.string().default('[video]').describe('label of the finished picture'),
    audio: z.string().optional().describe('label or stream (such as 0:a) of the finished sound'),
  })
  .strict();

/** Parameters of the mock engine, for trials and tests. */
const MockSection = z
  .object({
    frameMs: z.number().min(0).max(60_000).default(0),
    fail: z.enum(['never', 'before', 'middle', 'short', 'crash', 'hang', 'once']).default('never'),
    retryable: z.boolean().default(true),
  })
  .strict();

/** An output: a preset by name, or a preset with changes, or all of it spelled out. */
export const OutputDefinition = z.union([
  z.string().refine((name): name is PresetName => Object.hasOwn(PRESETS, name), {
    error: () => `not a preset; there are: ${Object.keys(PRESETS).join(', ')}`,
  }),
  z
    .object({
      name: Name,
      preset: z
        .string()
        .refine((name): name is PresetName => Object.hasOwn(PRESETS, name), 'not a preset')
        .optional(),
      container: z.enum(['mp4', 'mov', 'webm', 'gif', 'png']).optional(),
      width: z.int().min(2).max(16_384).optional(),
      height: z.int().min(2).max(16_384).optional(),
      fps: z.number().min(1).max(240).optional(),
      durationSeconds: z.number().positive().max(86_400).optional(),
      atSeconds: z.number().nonnegative().optional().describe('for a still'),
      fit: z.enum(['contain', 'cover', 'stretch']).optional(),
      background: Color.optional(),
      quality: z.int().min(0).max(51).optional(),
    })
    .strict(),
]);
export type OutputDefinition = z.infer<typeof OutputDefinition>;

const Composition = z
  .object({
    width: z.int().min(2).max(16_384),
    height: z.int().min(2).max(16_384),
    fps: z.number().min(1).max(240),
    duration: z.union([
      z.number().positive().max(86_400).describe('seconds'),
      z.object({ input: InputName }).strict().describe('as long as this audio or video input'),
    ]),
    background: Color.default('#000000'),
  })
  .strict();

/** The manifest as written; {@link parseManifest} in `manifest-file.ts` adds the checks across fields. */
export const ManifestSchema = z
  .object({
    schema: z.literal(1).describe('version of this format'),
    name: Name,
    version: Version,
    title: z.string().max(200).optional(),
    description: z.string().max(4000).optional(),
    composition: Composition,
    inputs: z.record(InputName, InputDefinition).default({}),
    engines: z
      .object({
        lottie: LottieSection.optional(),
        ffmpeg: FfmpegSection.optional(),
        mock: MockSection.optional(),
      })
      .strict()
      .refine(
        (engines) => Object.values(engines).some((engine) => engine !== undefined),
        'at least one engine',
      ),
    outputs: z.array(OutputDefinition).min(1).max(32),
  })
  .strict();

/** A checked manifest with its defaults applied. */
export type Manifest = z.infer<typeof ManifestSchema>;
