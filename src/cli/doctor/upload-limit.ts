/** Files on their way through Cloudflare: its smaller plans refuse what is larger than 100 MB. */
import type { Api } from '../../client/api.ts';
import { openCall } from '../../client/http.ts';
import { CLOUDFLARE_UPLOAD_BYTES } from '../../setup/cloudflared.ts';
import { formatBytes } from '../output.ts';
import type { Finding } from './checks.ts';

/** What goes through Cloudflare and would be refused there; null when files go another way. */
export async function checkUploadLimit(api: Api): Promise<Finding | null> {
  const url = await fileAddress(api);
  const answer = await openCall({ url }, { method: 'GET', path: '/health', timeoutMs: 10_000 }).catch(
    () => null,
  );
  answer?.resume();
  // Every answer that passed Cloudflare carries it.
  if (answer?.headers['cf-ray'] === undefined) return null;
  const templates = await api.listTemplates();
  const large = templates.filter(({ sizeBytes }) => sizeBytes > CLOUDFLARE_UPLOAD_BYTES);
  const limit = formatBytes(CLOUDFLARE_UPLOAD_BYTES);
  const fix =
    'on the control plane set objects.publicUrl in flatrender.yaml to an address that does not pass Cloudflare';
  if (large.length === 0) {
    return {
      status: 'warning',
      message: `files pass Cloudflare at ${url}: outputs and templates over ${limit} would be refused (413)`,
      fix,
    };
  }
  const names = large.map(({ name, sizeBytes }) => `${name} (${formatBytes(sizeBytes)})`).join(', ');
  return {
    status: 'failed',
    message: `files pass Cloudflare at ${url}, which refuses uploads over ${limit}; this farm has larger templates: ${names}`,
    fix,
  };
}

/** Where files are sent; asked for one that is never sent. Without the right to upload: where everything else goes. */
async function fileAddress(api: Api): Promise<string> {
  const { url } = await api
    .createUpload({ kind: 'asset', sha256: '0'.repeat(64), sizeBytes: 1 })
    .catch(() => ({ url: null }));
  return url === null ? api.target.url : new URL(url).origin;
}
