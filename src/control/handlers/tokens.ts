/** Client tokens, and who one is. */
import { z } from 'zod';
import { TokenCreated, TokenList, TokenRequest, WhoAmI } from '../../protocol/tokens.ts';
import { makeToken } from '../client-auth.ts';
import type { Control } from '../context.ts';
import type { Routes } from '../route.ts';
import { instant, tokenView } from '../views.ts';

/** Registers the routes of tokens. */
export function tokenRoutes(routes: Routes, control: Control): void {
  const { store, clientAuth, clock, logger, config, version } = control;
  routes.add('whoami', {
    answers: { 200: WhoAmI },
    handle: ({ token }) => ({
      role: token.role,
      name: token.name,
      farm: config.farm.name,
      version,
      serverTime: instant(clock.now()),
    }),
  });
  routes.add('tokens', {
    answers: { 200: TokenList },
    handle: async () => ({
      tokens: (await store.listTokens()).map((token) => tokenView(token, clientAuth.lastUsedAt(token))),
    }),
  });
  routes.add('createToken', {
    body: TokenRequest,
    answers: { 201: TokenCreated },
    async handle({ body, reply, token: by }) {
      const now = clock.now();
      const expiresAt = body.expiresInSeconds === undefined ? null : now + body.expiresInSeconds * 1000;
      const { token, record } = makeToken({ name: body.name, role: body.role, expiresAt }, now);
      await store.createToken(record);
      logger.info('token.created', { id: record.id, name: record.name, role: record.role, by: by.name });
      reply.code(201);
      return { token, info: tokenView(record, null) };
    },
  });
  routes.add('revokeToken', {
    params: z.object({ id: z.string().min(1).max(64) }),
    answers: { 204: { description: 'Revoked' } },
    async handle({ params, reply, token }) {
      await store.revokeToken(params.id);
      clientAuth.revoked(params.id);
      logger.info('token.revoked', { id: params.id, by: token.name });
      return reply.code(204).send();
    },
  });
}
