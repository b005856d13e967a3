import assert from 'node:assert/strict';
import { test } from 'node:test';
import { variableOf } from '../../../src/config/control-config.ts';
import { optionPaths } from '../../../src/config/control-schema.ts';
import { unknownVariables } from '../../../src/config/unknown-variables.ts';

test('variables that look like options and are none are named with what was probably meant', () => {
  const found = unknownVariables({
    FLATRENDER_LIMITS_BOGUS: '1',
    FLATRENDER_GATEWAY_PROT: '9000',
    FLATRENDER_S3_BUCKET: 'farm',
  });
  assert.equal(found.length, 3);
  assert.match(found[0] ?? '', /^the environment variable FLATRENDER_LIMITS_BOGUS is no option/);
  assert.match(found[1] ?? '', /; did you mean FLATRENDER_GATEWAY_PORT\?$/);
  assert.match(found[2] ?? '', /FLATRENDER_S3_BUCKET/);
});

test('options, their secrets, and variables of another meaning are left alone', () => {
  const options = Object.fromEntries(optionPaths().map((path) => [variableOf(path), 'x']));
  const others = {
    FLATRENDER_HOME: '/x',
    FLATRENDER_URL: 'http://x',
    FLATRENDER_TOKEN: 'x',
    FLATRENDER_DOMAIN: 'example.com',
    FLATRENDER_LOG_FILE: 'x',
    FLATRENDER_TEST_CLI: 'x',
    FLATRENDER_S3_ACCESS_KEY: 'x',
    FLATRENDER_S3_SECRET_KEY_FILE: '/run/secrets/x',
    FLATRENDER_OBJECTS_ACCESS_KEY_FILE: '/run/secrets/x',
    PATH: '/bin',
  };
  assert.deepEqual(unknownVariables({ ...options, ...others }), []);
});
