/** Named output formats. A preset without a size keeps the composition's. */
interface Preset {
  readonly container: 'mp4' | 'mov' | 'webm' | 'gif' | 'png';
  readonly width?: number;
  readonly height?: number;
  /** Upper limit; a slower composition keeps its own rate. */
  readonly maxFps?: number;
  readonly quality: number;
}

export const PRESETS = {
  original: { container: 'mp4', quality: 18 },
  'youtube-1080p': { container: 'mp4', width: 1920, height: 1080, maxFps: 60, quality: 18 },
  'youtube-2160p': { container: 'mp4', width: 3840, height: 2160, maxFps: 60, quality: 18 },
  'hd-720p': { container: 'mp4', width: 1280, height: 720, maxFps: 60, quality: 20 },
  'square-1080': { container: 'mp4', width: 1080, height: 1080, maxFps: 60, quality: 19 },
  'portrait-1080x1350': { container: 'mp4', width: 1080, height: 1350, maxFps: 60, quality: 19 },
  'story-1080x1920': { container: 'mp4', width: 1080, height: 1920, maxFps: 60, quality: 19 },
  'web-vp9-1080p': { container: 'webm', width: 1920, height: 1080, maxFps: 60, quality: 31 },
  'gif-preview': { container: 'gif', width: 480, height: 270, maxFps: 12, quality: 20 },
  'png-still': { container: 'png', quality: 0 },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;
