/** Ends requests whose body does not arrive in time. One timer for all: a timer per request would cost more than parsing. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { ROUTES } from '../protocol/routes.ts';

interface Waiting {
  readonly until: number;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Watches requests from their headers to the end of their body; uploads of objects watch themselves. */
export class SlowBodies {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #waiting = new Map<FastifyRequest, Waiting>();
  #armed = false;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  watch(app: FastifyInstance): void {
    app.addHook('preParsing', (request, reply, payload, done) => {
      if (!request.raw.complete && request.routeOptions.url !== ROUTES.putObject.path) {
        this.#waiting.set(request, { until: this.#clock.now() + this.#limitMs, request, reply });
        this.#arm();
      }
      done(null, payload);
    });
    app.addHook('preValidation', (request, _, done) => {
      this.#waiting.delete(request);
      done();
    });
    app.addHook('onResponse', (request, _, done) => {
      this.#waiting.delete(request);
      done();
    });
    app.addHook('onRequestAbort', (request, done) => {
      this.#waiting.delete(request);
      done();
    });
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#clock.after(Math.max(50, Math.min(1000, this.#limitMs / 4)), () => {
      this.#armed = false;
      this.#sweep();
      if (this.#waiting.size > 0) this.#arm();
    });
  }

  #sweep(): void {
    const now = this.#clock.now();
    // In order of arrival: the first that still has time ends the search.
    for (const [key, { until, request, reply }] of this.#waiting) {
      if (until > now) return;
      this.#waiting.delete(key);
      const seconds = this.#limitMs / 1000;
      const error = new FlatrenderError('REQUEST_TIMEOUT', `the body did not arrive within ${seconds} s`);
      if (!reply.sent) reply.send(error);
      // Ends the parser too, which would go on waiting for the rest.
      request.raw.socket.destroySoon();
    }
  }
}
