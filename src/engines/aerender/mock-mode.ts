/** `AE_PATH=` (empty): takes After Effects jobs and makes test pictures, to try a farm without a licence. */
import type { RenderContext, RenderRequest, RenderResult } from '../engine.ts';
import { mockEngine } from '../mock/mock-engine.ts';

/** What the log says, so that nobody takes the pictures for a render. */
const MOCK_NOTICE = 'mock mode: AE_PATH is empty on this node; test pictures instead of After Effects';

/** Whether this node only plays After Effects. */
export function isMockMode(settings: RenderRequest['settings']): boolean {
  return settings.aerender?.path === '';
}

/** The output with the frames that were asked for and a test picture in them. */
export async function renderMock(request: RenderRequest, context: RenderContext): Promise<RenderResult> {
  context.onLog(MOCK_NOTICE);
  return { ...(await mockEngine.render(request, context)), mock: true };
}
