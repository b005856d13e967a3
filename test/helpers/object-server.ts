import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toFlatrenderError } from '../../src/lib/errors.ts';
import type { FsObjectStore } from '../../src/objects/fs.ts';

/** Serves the signed URLs of an fs store the way the control plane does, as little as a test needs. */
export async function serveObjects(
  store: () => FsObjectStore,
  now: () => number,
): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(async (request, response) => {
    try {
      const url = new URL(request.url ?? '', 'http://localhost');
      const key = decodeURIComponent(url.pathname.replace(/^\/objects\//, ''));
      const query = Object.fromEntries(url.searchParams);
      const grant = store().verifyUrl({ method: request.method ?? '', key, query, now: now() });
      if (grant.method === 'PUT') {
        await store().put(key, request, grant);
        response.writeHead(200).end();
        return;
      }
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
      const wanted = range ? { start: Number(range[1]), end: Number(range[2]) } : undefined;
      const { info, stream } = await store().get(key, wanted);
      response.setHeader('content-length', wanted ? wanted.end - wanted.start + 1 : info.sizeBytes);
      if (wanted)
        response.setHeader('content-range', `bytes ${wanted.start}-${wanted.end}/${info.sizeBytes}`);
      response.writeHead(wanted ? 206 : 200);
      stream.pipe(response);
    } catch (error) {
      const failure = toFlatrenderError(error);
      request.resume();
      response.writeHead(failure.status).end(`${failure.code} ${failure.message}`);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
