/** Templates: publishing a bundle that was uploaded, listing, removing; and where files are uploaded to. */
import { z } from 'zod';
import type { Manifest } from '../../bundle/manifest.ts';
import { readBundleManifest } from '../../bundle/read-manifest.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { objectKeys } from '../../objects/object-store.ts';
import { Name, Version } from '../../protocol/names.ts';
import {
  ObjectUploadAnswer,
  ObjectUploadQuery,
  ObjectUploadRequest,
  TemplateAnswer,
  TemplateList,
  TemplateRequest,
  TemplateView,
} from '../../protocol/templates.ts';
import { isAging, keepingFiles } from '../aging-files.ts';
import { baseUrlFor } from '../base-url.ts';
import { forbidden } from '../client-auth.ts';
import type { Control } from '../context.ts';
import type { Routes } from '../route.ts';
import { uploadPlace } from '../upload-place.ts';
import { templateView } from '../views.ts';

const NameParams = z.object({ name: Name });
const VersionQuery = z.object({ version: Version.optional() });

/** Registers the routes of templates and uploads. */
export function templateRoutes(routes: Routes, control: Control): void {
  const { store, templates, logger, clock } = control;
  routes.add('templates', {
    answers: { 200: TemplateList },
    async handle() {
      const all = await store.listTemplates();
      const views = [];
      for (const template of all) views.push(templateView(template, await isLatest(control, template)));
      return { templates: views };
    },
  });
  routes.add('template', {
    params: NameParams,
    query: VersionQuery,
    answers: { 200: TemplateView },
    async handle({ params, query }) {
      const { record } = await templates.require(params.name, query.version);
      return templateView(record, await isLatest(control, record), true);
    },
  });
  routes.add('pushTemplate', {
    body: TemplateRequest,
    answers: { 200: TemplateAnswer, 201: TemplateAnswer },
    async handle({ body, reply, request, token }) {
      control.recentObjects.note(body.sha256);
      const { template, already } = await keepingFiles(control, async () => {
        const { manifest, sizeBytes } = await manifestOfBundle(control, body.sha256);
        const { name, version } = manifest;
        return store.putTemplate({
          ...{ name, version, sha256: body.sha256, sizeBytes, manifest },
          pushedAt: clock.now(),
        });
      });
      const { name, version, sizeBytes } = template;
      templates.changed();
      request.audited = { subject: name, details: { version } };
      if (!already) logger.info('template.pushed', { template: name, version, sizeBytes, by: token.name });
      reply.code(already ? 200 : 201);
      return { template: templateView(template, await isLatest(control, template), true), already };
    },
  });
  routes.add('removeTemplate', {
    params: NameParams,
    query: VersionQuery,
    answers: { 200: TemplateList },
    async handle({ params, query, token }) {
      const removed = await store.removeTemplate(params.name, query.version);
      templates.changed();
      logger.info('template.removed', {
        template: params.name,
        version: query.version ?? 'all',
        by: token.name,
      });
      return { templates: removed.map((template) => templateView(template, false)) };
    },
  });
  uploadRoutes(routes, control);
}

function uploadRoutes(routes: Routes, control: Control): void {
  const { objects, config, recentObjects } = control;
  routes.add('uploads', {
    body: ObjectUploadRequest,
    query: ObjectUploadQuery,
    answers: { 200: ObjectUploadAnswer },
    async handle({ body, query, request, token }) {
      const { kind, sha256, sizeBytes } = body;
      // A bundle is code that runs on nodes; submitting jobs does not need it.
      if (kind === 'bundle' && token.role !== 'admin') throw forbidden(token, 'admin');
      if (sizeBytes > config.limits.uploadBytes) {
        throw new FlatrenderError(
          'REQUEST_TOO_LARGE',
          `the file has ${sizeBytes} bytes; at most ${config.limits.uploadBytes} are allowed`,
          { hint: 'raise limits.uploadBytes in flatrender.yaml' },
        );
      }
      recentObjects.note(sha256);
      const key = objectKeys[kind](sha256);
      const there = await objects.head(key);
      const already = { key, url: null, headers: {} };
      const canParts = query.parts === '1';
      // Who sends parts is told while it is still being read; it asks again.
      if (there?.sizeBytes === sizeBytes && !(canParts && objects.multipart && there.sha256 === null)) {
        if (!isAging(control, there) && (await control.verified.has(there, sha256))) return already;
      }
      const baseUrl = baseUrlFor(control, request, 'client');
      const place = await uploadPlace(control, { key, sizeBytes, sha256, baseUrl, canParts });
      return place.multipart?.done ? already : place;
    },
  });
}

async function isLatest(control: Control, template: { name: string; version: string }): Promise<boolean> {
  const latest = await control.templates.require(template.name).catch(() => null);
  return latest?.record.version === template.version;
}

/** Reads the manifest of an uploaded bundle; refuses hostile archives and wrong manifests by their own codes. */
async function manifestOfBundle(
  control: Control,
  sha256: string,
): Promise<{ manifest: Manifest; sizeBytes: number }> {
  const key = objectKeys.bundle(sha256);
  const info = await control.objects.head(key);
  if (info === null) {
    throw new FlatrenderError('OBJECT_NOT_FOUND', `the bundle ${sha256} was not uploaded`, {
      hint: 'ask POST /v1/uploads where to put it, or use "flatrender template push"',
    });
  }
  // A bundle runs on nodes: never one that is not what it is called.
  if (!(await control.verified.has(info, sha256))) {
    throw new FlatrenderError('OBJECT_CORRUPT', `the bundle ${sha256} arrived with another content`, {
      hint: 'push it again',
    });
  }
  const manifest = await readBundleManifest({
    // The file's place on this machine is nobody's business.
    name: `bundle-${sha256.slice(0, 12)}.zip`,
    sizeBytes: info.sizeBytes,
    read: async (start, end) => (await control.objects.get(key, { start, end: end - 1 })).stream,
  });
  return { manifest, sizeBytes: info.sizeBytes };
}
