/** `template.yaml`: the schema of a template's manifest. */
import { z } from 'zod';
import { EngineName, InputName, Name, Version } from '../protocol/names.ts';
import { AerenderSection } from './aerender-section.ts';
import { BundlePath } from './bundle-path.ts';
import { PRESETS, type PresetName } from './presets.ts';

const Color = z.string().regex(/^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$/, 'a colour such as #ff3366');
const Fit = z.enum(['contain', 'cover', 'stretch']);

const common = {
  description: z.string().max(1000).optional().describe('for those who fill it in'),
  required: z.boolean().default(false).describe('a job without it is refused; not with a default'),
};

const fileInput = {
  ...common,
  default: BundlePath.optional().describe('a file of the bundle'),
  maxBytes: z
    .int()
    .positive()
    .default(512 * 1024 * 1024)
    .describe('size of the file'),
};

/** One input that a job may set. */
export const InputDefinition = z.discriminatedUnion('type', [
  z
    .object({
      type: z.literal('text'),
      ...common,
      default: z.string().optional().describe('the value of a job that does not set it'),
      minLength: z.int().nonnegative().default(0).describe('in characters as people count them'),
      maxLength: z.int().positive().max(100_000).default(1000).describe('in characters as people count them'),
      multiline: z.boolean().default(false).describe('line breaks are allowed'),
    })
    .strict(),
  z
    .object({
      type: z.literal('number'),
      ...common,
      default: z.number().optional().describe('the value of a job that does not set it'),
      min: z.number().optional().describe('smallest value'),
      max: z.number().optional().describe('largest value'),
      integer: z.boolean().default(false).describe('whole numbers only'),
    })
    .strict(),
  z
    .object({
      type: z.literal('color'),
      ...common,
      default: Color.optional().describe('#rrggbb or #rrggbbaa'),
    })
    .strict(),
  z
    .object({
      type: z.literal('boolean'),
      ...common,
      default: z.boolean().optional().describe('the value of a job that does not set it'),
    })
    .strict(),
  z
    .object({
      type: z.literal('choice'),
      ...common,
      default: z.string().optional().describe('one of the options'),
      options: z.array(z.string().min(1).max(200)).min(1).max(200).describe('what can be chosen'),
    })
    .strict(),
  z.object({ type: z.literal('image'), ...fileInput }).strict(),
  z
    .object({
      type: z.literal('audio'),
      ...fileInput,
      maxSeconds: z.number().positive().max(86_400).default(3600).describe('length of the file'),
    })
    .strict(),
  z
    .object({
      type: z.literal('video'),
      ...fileInput,
      maxSeconds: z.number().positive().max(86_400).default(3600).describe('length of the file'),
    })
    .strict(),
  z.object({ type: z.literal('font'), ...fileInput }).strict(),
]);
export type InputDefinition = z.infer<typeof InputDefinition>;

/** A font file and the names under which the engine's files ask for it. */
const BundledFont = z
  .object({
    file: BundlePath.describe('TTF or OTF file of the bundle'),
    names: z.array(z.string().min(1).max(200)).min(1).describe('fName or fFamily in the Lottie file'),
  })
  .strict();

/** Where an input goes in a Lottie file. Layers and assets are addressed by name (`nm`) or id. */
export const LottieBinding = z.discriminatedUnion('to', [
  z
    .object({
      to: z.literal('text'),
      input: InputName.describe('text, number or choice input'),
      layer: z.string().min(1).describe('name of a text layer, or path "Precomp/Layer"'),
      shrink: z.boolean().default(true).describe('reduce the size until the text fits its box or the frame'),
    })
    .strict(),
  z
    .object({
      to: z.literal('color'),
      input: InputName.describe('color input'),
      layer: z.string().min(1).describe('solid, shape or text layer: its colour, all fills of a shape layer'),
      shape: z.string().optional().describe('only fills and strokes of the group or item of this name'),
      stroke: z.boolean().default(false).describe('strokes instead of fills'),
    })
    .strict(),
  z
    .object({
      to: z.literal('slot'),
      input: InputName.describe('text, number, color, choice or image input'),
      slot: z.string().min(1).describe('id in the file’s slots'),
    })
    .strict(),
  z
    .object({
      to: z.literal('image'),
      input: InputName.describe('image input'),
      asset: z.string().min(1).describe('id of an image asset'),
      fit: Fit.default('contain').describe('how an image of another aspect ratio fills the place'),
    })
    .strict(),
  z
    .object({
      to: z.literal('visible'),
      input: InputName.describe('boolean input'),
      layer: z.string().min(1).describe('layer that is shown or hidden'),
    })
    .strict(),
  z
    .object({
      to: z.literal('opacity'),
      input: InputName.describe('number input, 0 to 100'),
      layer: z.string().min(1).describe('layer whose opacity is set'),
    })
    .strict(),
  z
    .object({
      to: z.literal('font'),
      input: InputName.describe('font input'),
      font: z.string().min(1).describe('fName that the given font replaces'),
    })
    .strict(),
]);
export type LottieBinding = z.infer<typeof LottieBinding>;

const LottieSection = z
  .object({
    file: BundlePath.describe('the Bodymovin (Lottie) JSON'),
    fonts: z
      .array(BundledFont)
      .default([])
      .describe('fonts of the bundle; text in any other font is refused'),
    bind: z.array(LottieBinding).default([]).describe('where the inputs go'),
    audio: z
      .union([BundlePath, z.object({ input: InputName }).strict()])
      .optional()
      .describe('sound track: a file of the bundle, or an audio or video input'),
    background: z
      .object({ input: InputName })
      .strict()
      .optional()
      .describe('colour input that fills what the composition does not cover'),
  })
  .strict();

/** One `-i` of the FFmpeg engine, in order: a file of the bundle, an input, or a generated source. */
const FfmpegSource = z.union([
  z
    .object({
      file: BundlePath.describe('a file of the bundle'),
      loop: z.boolean().default(false).describe('repeat a still image'),
    })
    .strict(),
  z
    .object({
      input: InputName.describe('image, audio or video input'),
      loop: z.boolean().default(false).describe('repeat a still image'),
      otherwise: z
        .string()
        .optional()
        .describe('lavfi source when the input is not given; needed where it may be left out'),
    })
    .strict(),
  z
    .object({
      generate: z.string().min(1).max(4000).describe('a lavfi source with placeholders'),
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
    sources: z.array(FfmpegSource).min(1).max(32).describe('inputs of FFmpeg in order: [0], [1], …'),
    graph: z.string().min(1).max(20_000).describe('filter graph with placeholders'),
    video: z.string().default('[video]').describe('label of the finished picture'),
    audio: z.string().optional().describe('label or stream (such as 0:a) of the finished sound'),
  })
  .strict();

/** Parameters of the mock engine, for trials and tests. */
const MockSection = z
  .object({
    frameMs: z.number().min(0).max(60_000).default(0).describe('time per frame, milliseconds'),
    fail: z
      .enum(['never', 'before', 'middle', 'short', 'crash', 'hang', 'once'])
      .default('never')
      .describe(
        'how to fail: before the first frame, in the middle, a file that is too short, a crash, a hang, only the first time',
      ),
    retryable: z.boolean().default(true).describe('whether the failure may be retried'),
  })
  .strict();

/** An output: a preset by name, or a preset with changes, or all of it spelled out. */
export const OutputDefinition = z.union([
  z
    .string()
    .refine((name): name is PresetName => Object.hasOwn(PRESETS, name), {
      error: () => `not a preset; there are: ${Object.keys(PRESETS).join(', ')}`,
    })
    .meta({ enum: Object.keys(PRESETS), description: 'a preset' }),
  z
    .object({
      name: Name.describe('what jobs ask for; also the name of the file'),
      preset: z
        .string()
        .refine((name): name is PresetName => Object.hasOwn(PRESETS, name), 'not a preset')
        .optional()
        .describe('the preset that the other fields change'),
      container: z
        .enum(['mp4', 'mov', 'webm', 'gif', 'png'])
        .optional()
        .describe('default: of the preset, else mp4'),
      width: z.int().min(2).max(16_384).optional().describe('pixels; one side alone keeps the aspect ratio'),
      height: z.int().min(2).max(16_384).optional().describe('pixels'),
      fps: z
        .number()
        .min(1)
        .max(240)
        .optional()
        .describe('default: of the composition, up to the limit of the preset'),
      durationSeconds: z.number().positive().max(86_400).optional().describe('default: of the composition'),
      atSeconds: z.number().nonnegative().optional().describe('instant of a still; default: the middle'),
      fit: Fit.optional().describe('how the composition fills another aspect ratio; default: contain'),
      background: Color.optional().describe(
        'behind what is transparent or not covered; default: of the composition',
      ),
      quality: z
        .int()
        .min(0)
        .max(51)
        .optional()
        .describe('constant rate factor of x264 or vp9: lower is better'),
    })
    .strict(),
]);
export type OutputDefinition = z.infer<typeof OutputDefinition>;

const Composition = z
  .object({
    width: z.int().min(2).max(16_384).describe('pixels'),
    height: z.int().min(2).max(16_384).describe('pixels'),
    fps: z.number().min(1).max(240).describe('frames per second'),
    duration: z
      .union([
        z.number().positive().max(86_400).describe('seconds'),
        z.object({ input: InputName }).strict().describe('as long as this audio or video input'),
      ])
      .describe('seconds, or as long as an audio or video input'),
    background: Color.default('#000000').describe('behind what is transparent or not covered'),
  })
  .strict();

/** What the template asks of a node; without it any node with one of the engines will do. */
const Requires = z
  .object({
    engines: z
      .partialRecord(EngineName, z.string().regex(/^\d+(\.\d+){0,3}$/, 'a version such as 5.1'))
      .optional()
      .describe('oldest version of an engine that will do'),
    memoryMb: z.int().positive().optional().describe('memory of the machine'),
    vramMb: z.int().positive().optional().describe('memory of the graphics card'),
    tags: z.array(Name).max(16).optional().describe('tags a node must have (NODE_TAGS)'),
  })
  .strict();

/** The manifest as written; {@link parseManifest} in `manifest-file.ts` adds the checks across fields. */
export const ManifestSchema = z
  .object({
    schema: z.literal(1).describe('version of this format'),
    name: Name.describe('how jobs refer to it'),
    version: Version.describe('a pushed version never changes'),
    title: z.string().max(200).optional().describe('for lists'),
    description: z.string().max(4000).optional().describe('for those who use it'),
    composition: Composition.describe('the picture as it was designed'),
    inputs: z.record(InputName, InputDefinition).default({}).describe('what a job may set, by name'),
    engines: z
      .object({
        aerender: AerenderSection.optional().describe('After Effects'),
        lottie: LottieSection.optional().describe('Skottie'),
        ffmpeg: FfmpegSection.optional().describe('a filter graph'),
        mock: MockSection.optional().describe('for trials and tests'),
      })
      .strict()
      .refine(
        (engines) => Object.values(engines).some((engine) => engine !== undefined),
        'at least one engine',
      )
      .describe('what can render it; a node uses the first that it has'),
    requires: Requires.optional().describe(
      'what it asks of a node; default: one of the engines, nothing else',
    ),
    outputs: z
      .array(OutputDefinition)
      .min(1)
      .max(32)
      .describe('presets by name, or groups of fields; the first is what a job gets that names none'),
  })
  .strict();

/** A checked manifest with its defaults applied. */
export type Manifest = z.infer<typeof ManifestSchema>;
