/** How requests of the S3 client travel: with an end to waiting, and with errors that say what the server said. */
import http from 'node:http';
import https from 'node:https';

/** A server that says nothing for this long while something is asked of it is not there. */
const SILENCE_MS = 30_000;
/** A busy answer is small; more of it is not read. */
const ANSWER_BYTES = 64 * 1024;
/** What the client would repeat by itself, printing on the console, and without reading the answer. */
const BUSY = new Set([408, 429, 499, 500, 502, 503, 504, 507, 520]);

/** An answer that says: not now. */
class BusyError extends Error {
  readonly code: string;

  constructor(status: number, text: string) {
    const said = /<Message>([^<]{1,300})<\/Message>/.exec(text)?.[1] ?? '';
    super(`HTTP ${status}${said === '' ? '' : `, ${said}`}`);
    this.code = /<Code>([^<]{1,100})<\/Code>/.exec(text)?.[1] ?? '';
  }
}

export interface S3Transport {
  readonly transport: Pick<typeof http, 'request'>;
  readonly agent: http.Agent;
}

/** Connections to one server; destroy the agent at the end. */
export function createS3Transport(isTls: boolean): S3Transport {
  const module = isTls ? https : http;
  const agent = new module.Agent({ keepAlive: true, maxSockets: 64, scheduling: 'lifo' });
  const request = (options: http.RequestOptions, onAnswer: (answer: http.IncomingMessage) => void) => {
    const sent = module.request(options, (answer) => {
      if (!BUSY.has(answer.statusCode ?? 0)) return onAnswer(answer);
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        if (text.length < ANSWER_BYTES) text += chunk;
      });
      answer.once('error', () => sent.destroy());
      answer.once('end', () => sent.emit('error', new BusyError(answer.statusCode ?? 0, text)));
    });
    sent.setTimeout(SILENCE_MS, () => {
      sent.destroy(Object.assign(new Error(`no answer for ${SILENCE_MS / 1000} s`), { code: 'ETIMEDOUT' }));
    });
    return sent;
  };
  return { transport: { request: request as typeof http.request }, agent };
}
