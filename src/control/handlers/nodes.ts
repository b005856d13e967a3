/** The nodes of the farm, as operators see and manage them. */
import { z } from 'zod';
import { EnrolAnswer, EnrolRequest, InviteAnswer, InviteRequest } from '../../protocol/enrolment.ts';
import { NodeCreated, NodeList, NodeRemoved, NodeRequest, NodeView } from '../../protocol/nodes.ts';
import { gatewayUrlFor, meshUrlFor } from '../base-url.ts';
import type { Control } from '../context.ts';
import { afterChange } from '../effects.ts';
import { nodeGone } from '../follow-replicas.ts';
import type { Routes } from '../route.ts';
import { nodeView } from '../views.ts';

const NodeParams = z.object({ id: z.string().min(1).max(64) });
const one = { params: NodeParams, answers: { 200: NodeView } } as const;

/** Registers the routes of nodes for clients. */
export function nodeRoutes(routes: Routes, control: Control): void {
  const { store, registry, leases, dispatcher, logger, nodeAuth, clock, enrolment } = control;
  routes.add('nodes', {
    answers: { 200: NodeList },
    handle: () => ({
      nodes: [...registry.all()]
        .map((entry) => nodeView(entry, leases, clock.now()))
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
    }),
  });
  routes.add('node', {
    ...one,
    handle: ({ params }) => nodeView(registry.require(params.id), leases, clock.now()),
  });
  routes.add('createNode', {
    body: NodeRequest,
    answers: { 200: NodeCreated, 201: NodeCreated },
    async handle({ body, reply, token }) {
      const { id, name = id, rotate } = body;
      const isRotation = rotate && registry.get(id) !== undefined;
      const record = isRotation
        ? await store.rotateNode(id)
        : await store.createNode({ id, name }, clock.now());
      const entry = registry.put(record);
      logger.info(isRotation ? 'node.secret-issued' : 'node.created', { nodeId: id, by: token.name });
      reply.code(isRotation ? 200 : 201);
      return { node: nodeView(entry, leases, clock.now()), secret: nodeAuth.secretOf(id, record.generation) };
    },
  });
  routes.add('inviteNode', {
    params: NodeParams,
    body: InviteRequest,
    answers: { 200: InviteAnswer },
    async handle({ params, body, token, request }) {
      const invitation = await enrolment.invite(params.id, body, (address) => {
        const inMesh = address === null ? null : meshUrlFor(control, request, address);
        return inMesh ?? gatewayUrlFor(control, request, 'node');
      });
      const { expiresAt, mesh } = invitation;
      logger.info('node.invited', { nodeId: params.id, by: token.name, expiresAt, address: mesh?.address });
      return { invitation };
    },
  });
  routes.add('enrol', {
    body: EnrolRequest,
    answers: { 200: EnrolAnswer },
    async handle({ body, node, reply }) {
      const answer = await enrolment.enrol(node, body);
      reply.raw.once('close', () => enrolment.answered(node.entry.id));
      return answer;
    },
  });
  routes.add('drainNode', {
    ...one,
    async handle({ params, token }) {
      registry.require(params.id);
      const entry = registry.put(await store.setIntent(params.id, 'draining'));
      logger.info('node.draining', { nodeId: params.id, by: token.name });
      // What waited for this node may go to others now.
      dispatcher.sweep();
      return nodeView(entry, leases, clock.now());
    },
  });
  routes.add('resumeNode', {
    ...one,
    async handle({ params, token }) {
      registry.require(params.id);
      const entry = registry.put(await store.resumeNode(params.id));
      logger.info('node.resumed', { nodeId: params.id, by: token.name });
      dispatcher.nodeChanged(entry);
      return nodeView(entry, leases, clock.now());
    },
  });
  routes.add('removeNode', {
    params: NodeParams,
    answers: { 200: NodeRemoved, 204: { description: 'Removed' } },
    async handle({ params, reply, token }) {
      registry.require(params.id);
      // The tunnel first: a crash in between leaves a node that can be removed again, never a tunnel of nobody.
      const uncut = await enrolment.remove(params.id);
      const changes = await store.removeNode(params.id, clock.now());
      nodeGone(control, params.id);
      enrolment.removed();
      logger.info('node.removed', { nodeId: params.id, by: token.name, tasks: changes.length });
      for (const change of changes) afterChange(control, change);
      // Its secret is dead all the same; what is left is a tunnel to a gateway that knows it no more.
      if (uncut) return { removed: params.id, tunnel: uncut.toBody() };
      return reply.code(204).send();
    },
  });
}
