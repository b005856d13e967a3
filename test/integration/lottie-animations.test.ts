/** Files nobody here made: every animation in the test folder of the lottie-web package. */
import assert from 'node:assert/strict';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { lottieEngine } from '../../src/engines/lottie/lottie-engine.ts';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { recordingContext, renderRequest, temporaryDirectory } from '../helpers/render-request.ts';

const require = createRequire(import.meta.url);
const animations = join(dirname(require.resolve('lottie-web/package.json')), 'test', 'animations');

type Expected = { readonly frames: number } | { readonly code: ErrorCode; readonly names: readonly string[] };

/** What becomes of each file: its frames, or the code and names that the refusal must carry. */
const EXPECTED: Readonly<Record<string, Expected>> = {
  'adrock.json': { frames: 20 },
  'bacon.json': { frames: 140 },
  'banner.json': {
    code: 'FONT_MISSING',
    names: ['Montserrat-Bold', 'Montserrat-Regular', 'VarelaRound-Regular'],
  },
  // Has a tint that Bodymovin 4 could not export: lottie-web does not draw it either, so it is only told.
  'bm_ronda.json': { frames: 371 },
  'bodymovin.json': { frames: 103 },
  'dalek.json': { frames: 290 },
  'footage/data.json': { code: 'LOTTIE_EXPRESSIONS', names: ['Tempreture', 'Status', 'City'] },
  // Data of the one above, no animation.
  'footage/images/footage_0.json': { code: 'LOTTIE_INVALID', names: ['layers'] },
  'lights.json': { code: 'LOTTIE_EXPRESSIONS', names: ['orange', 'red', 'green', 'blue'] },
  'monster.json': { code: 'LOTTIE_EXPRESSIONS', names: ['FLUIDO ALFA/fluido interact 10'] },
  'navidad.json': { code: 'LOTTIE_EXPRESSIONS', names: ['campanas/campana'] },
  'ripple.json': { code: 'LOTTIE_EXPRESSIONS', names: ['grow graph/grow bar/traceNull'] },
  'starfish.json': { code: 'LOTTIE_EXPRESSIONS', names: ['eye', 'main'] },
};

test('the table names every animation of the package', () => {
  const files = globSync('**/*.json', { cwd: animations }).map((file) => file.replaceAll('\\', '/'));
  assert.deepEqual(files.sort(), Object.keys(EXPECTED).sort());
});

for (const [file, expected] of Object.entries(EXPECTED)) {
  const outcome =
    'frames' in expected ? `renders ${expected.frames} frames` : `is refused with ${expected.code}`;
  test(`lottie-web ${file} ${outcome}`, async (t) => {
    const workspace = temporaryDirectory(t);
    const recorded = recordingContext();
    const { w, h, fr, ip, op } = JSON.parse(readFileSync(join(animations, file), 'utf8'));
    const isAnimation = typeof fr === 'number';
    const request = renderRequest({
      engine: 'lottie',
      bundleDir: animations,
      workspace,
      manifest: {
        composition: {
          width: 160,
          height: isAnimation ? Math.round((160 * h) / w) : 90,
          fps: isAnimation ? fr : 25,
          duration: isAnimation ? (op - ip) / fr : 1,
        },
        engines: { lottie: { file } },
      },
    });
    if ('frames' in expected) {
      const result = await lottieEngine.render(request, recorded.context);
      assert.equal(result.frames, expected.frames);
      assert.equal(result.codec, 'h264');
      assert.deepEqual(readdirSync(workspace), ['output.mp4']);
      assert.deepEqual(recorded.progress.at(-1)?.frame, expected.frames);
      return;
    }
    await assert.rejects(
      lottieEngine.render(request, recorded.context),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, expected.code, error.message);
        for (const name of expected.names)
          assert.ok(error.message.includes(name), `${name} is not in: ${error.message}`);
        return true;
      },
    );
    assert.deepEqual(
      recorded.progress.map(({ phase }) => phase),
      ['prepare'],
      'refused before anything was rendered',
    );
    assert.deepEqual(readdirSync(workspace), []);
  });
}
