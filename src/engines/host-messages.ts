/** What the agent and its engine hosts say to each other over the IPC channel (structured clone). */
import type { ErrorBody } from '../lib/errors.ts';
import type { EngineName } from '../protocol/names.ts';
import type { EngineInfo } from '../protocol/nodes.ts';
import type { EngineSettings, Progress, RenderRequest, RenderResult } from './engine.ts';

/** To the host. One piece of work at a time; `abort` is about the current one. */
export type HostOrder =
  | { readonly type: 'probe'; readonly engine: EngineName; readonly settings: EngineSettings }
  | { readonly type: 'render'; readonly request: RenderRequest }
  | { readonly type: 'abort'; readonly reason: ErrorBody };

/** From the host. `probed`, `rendered` and `failed` end the current piece of work. */
export type HostReport =
  | { readonly type: 'ready' }
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'preview'; readonly jpeg: Uint8Array }
  | { readonly type: 'log'; readonly line: string }
  | { readonly type: 'probed'; readonly info: EngineInfo }
  | { readonly type: 'rendered'; readonly result: RenderResult }
  | { readonly type: 'failed'; readonly error: ErrorBody; readonly stack?: string };
