/** Files on their way through Cloudflare: its smaller plans refuse what is larger than 100 MB. */
import type { Api } from '../../client/api.ts';
import { openCall } from '../../client/http.ts';
import { formatBytes } from '../output.ts';
import type { Finding } from './checks.ts';

/** Request bodies on the Free and Pro plans (Cloudflare, "Upload limits"); answers are not limited. */
const CLOUDFLARE_UPLOAD_BYTES = 100e6;

/** What goes through Cloudflare and would be refused there; null when this control plane is reached without it. */
export async function checkUploadLimit(api: Api): Promise<Finding | null> {
  const answer = await openCall(api.target, { method: 'GET', path: '/health', timeoutMs: 10_000 });
  answer.resume();
  // Every answer that passed Cloudflare carries it.
  if (answer.headers['cf-ray'] === undefined) return null;
  const templates = await api.listTemplates();
  const large = templates.filter(({ sizeBytes }) => sizeBytes > CLOUDFLARE_UPLOAD_BYTES);
  const limit = formatBytes(CLOUDFLARE_UPLOAD_BYTES);
  const fix =
    'push and render over the mesh: set gateway.publicUrl to an address that does not pass Cloudflare (e.g. http://10.66.0.1:8088)';
  if (large.length === 0) {
    return {
      status: 'warning',
      message: `${api.target.url} is behind Cloudflare: outputs and templates over ${limit} would be refused (413)`,
      fix,
    };
  }
  const names = large.map(({ name, sizeBytes }) => `${name} (${formatBytes(sizeBytes)})`).join(', ');
  return {
    status: 'failed',
    message: `${api.target.url} is behind Cloudflare, which refuses uploads over ${limit}; this farm has larger templates: ${names}`,
    fix,
  };
}
