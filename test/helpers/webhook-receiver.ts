/** A receiver of webhooks on the loopback, whose answers a test decides. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface WebhookCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string;
  readonly calls: WebhookCall[];
  /** How the next calls are answered; default 204. */
  answer: (response: ServerResponse, call: WebhookCall) => void;
}

export async function webhookReceiver(host = '127.0.0.1'): Promise<WebhookReceiver> {
  const calls: WebhookCall[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const call = { path: request.url ?? '', headers: request.headers, body };
    calls.push(call);
    receiver.answer(response, call);
  }).listen(0, host);
  await once(server, 'listening');
  const receiver: WebhookReceiver = {
    url: `http://${host}:${(server.address() as AddressInfo).port}/hook`,
    calls,
    answer: (response) => response.writeHead(204).end(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}
