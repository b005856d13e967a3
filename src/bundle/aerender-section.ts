/** `engines.aerender` of a manifest: the After Effects project, where the inputs go, and limits. */
import { z } from 'zod';
import { InputName } from '../protocol/names.ts';
import { BundlePath } from './bundle-path.ts';

const Color = z.string().regex(/^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$/, 'a colour such as #ff3366');

/** The layer that a binding changes. */
const target = {
  composition: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe('its composition, by name or "Folder/Name"; default: the rendered one and those in it'),
  layer: z
    .union([z.string().min(1).max(500), z.int().positive()])
    .describe('its name, "Precomp/Layer", or its number in the composition, from 1'),
};

const property = z
  .string()
  .min(1)
  .max(500)
  .describe(
    'path of a property by names or match names: "Effects.Fill.Color", "Transform.Opacity", "Essential Properties.Title"',
  );

/** Where an input goes in an After Effects project. */
export const AerenderBinding = z.discriminatedUnion('to', [
  z
    .object({
      to: z.literal('text'),
      input: InputName.describe('text, number or choice input'),
      ...target,
      font: z
        .string()
        .min(1)
        .max(200)
        .optional()
        .describe('PostScript name, instead of the one of the layer'),
      size: z.number().positive().max(10_000).optional().describe('pixels, instead of the size of the layer'),
      color: z
        .union([Color, z.object({ input: InputName }).strict()])
        .optional()
        .describe('colour, or the colour input that gives it'),
      align: z.enum(['left', 'center', 'right', 'justify']).optional().describe('of the paragraph'),
      shrink: z
        .boolean()
        .default(true)
        .describe('reduce the size until the text fits the box of the layer, or the frame'),
    })
    .strict(),
  z
    .object({
      to: z.literal('footage'),
      input: InputName.describe('image, audio or video input'),
      composition: target.composition,
      layer: target.layer.optional().describe('layer whose source is replaced'),
      item: z
        .string()
        .min(1)
        .max(500)
        .optional()
        .describe('project item that is replaced wherever it is used'),
      fit: z
        .enum(['contain', 'cover', 'stretch', 'none'])
        .default('contain')
        .describe('how a picture of another size fills the place of the one it replaces'),
      time: z
        .enum(['keep', 'trim', 'loop', 'stretch'])
        .default('trim')
        .describe('a video or sound of another length: keep the layer, trim it, loop it or stretch it'),
    })
    .strict(),
  z
    .object({
      to: z.literal('color'),
      input: InputName.describe('color input'),
      ...target,
      property: property
        .optional()
        .describe('a colour property; default: text, solid or fills of a shape layer'),
      shape: z.string().min(1).optional().describe('shape layer: only what is in the group of this name'),
      stroke: z.boolean().default(false).describe('shape layer: strokes instead of fills'),
    })
    .strict(),
  z
    .object({
      to: z.literal('property'),
      input: InputName.describe('text, number, boolean, color or choice input'),
      ...target,
      property,
    })
    .strict(),
  z
    .object({
      to: z.literal('visible'),
      input: InputName.describe('boolean input'),
      ...target,
    })
    .strict(),
  z
    .object({
      to: z.literal('source'),
      input: InputName.describe('choice input'),
      ...target,
      options: z
        .record(z.string(), z.string().min(1).max(500))
        .describe('composition that the layer shows, by choice'),
    })
    .strict(),
  z
    .object({
      to: z.literal('expression'),
      ...target,
      property,
      expression: z
        .string()
        .max(20_000)
        .describe('always written by the template’s author, never by an input'),
    })
    .strict(),
]);
export type AerenderBinding = z.infer<typeof AerenderBinding>;

/** Longest time without a sign of life, seconds, by phase. */
const Limits = z
  .object({
    launch: z.number().positive().max(86_400).optional().describe('until After Effects runs the script'),
    bind: z.number().positive().max(86_400).optional().describe('while the inputs are put in'),
    firstFrame: z.number().positive().max(86_400).optional().describe('until the first frame is there'),
    frame: z.number().positive().max(86_400).optional().describe('for one frame'),
    encode: z.number().positive().max(86_400).optional().describe('after the last frame'),
  })
  .strict();

export const AerenderSection = z
  .object({
    project: BundlePath.describe('the After Effects project (.aep)'),
    composition: z
      .union([
        z.string().min(1).max(500),
        z
          .object({
            input: InputName.describe('choice input'),
            options: z.record(z.string(), z.string().min(1).max(500)).describe('composition, by choice'),
          })
          .strict(),
      ])
      .describe(
        'what is rendered: a composition by name or "Folder/Name", or one per choice; its own background colour is behind what is transparent in it',
      ),
    mode: z
      .enum(['sequence', 'movie'])
      .default('sequence')
      .describe(
        'sequence: single frames, previews of all, resumes after a crash; movie: one file by the output module',
      ),
    renderSettings: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe('render settings template; default: of After Effects'),
    outputModule: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe('output module template; default: one of those that this After Effects has'),
    fonts: z
      .array(
        z
          .object({
            file: BundlePath.describe('TTF or OTF file of the bundle'),
            names: z.array(z.string().min(1).max(200)).min(1).describe('PostScript names in the project'),
          })
          .strict(),
      )
      .default([])
      .describe('fonts that the node installs for the task'),
    missingFonts: z
      .enum(['refuse', 'substitute'])
      .default('refuse')
      .describe('what to do when After Effects lacks a font of the project'),
    missingFootage: z
      .enum(['refuse', 'ignore'])
      .default('refuse')
      .describe('what to do when a file of the project is not there'),
    bind: z.array(AerenderBinding).default([]).describe('where the inputs go'),
    scripts: z
      .array(BundlePath)
      .max(16)
      .default([])
      .describe('the template’s own .jsx files, run after the inputs are in; they see `flatrender.inputs`'),
    limits: Limits.optional().describe('longest time without a sign of life, seconds; default: of the node'),
  })
  .strict();
export type AerenderSection = z.infer<typeof AerenderSection>;
