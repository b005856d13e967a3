import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { packageRoot } from '../../src/lib/paths.ts';
import { problemText } from '../../src/setup/cloudflared-config.ts';
import { checkIngress, type IngressRule } from '../../src/setup/cloudflared-ingress.ts';

const CATCH_ALL: IngressRule = { service: 'http_status:404' };

function problemsOf(...ingress: unknown[]): string[] {
  return checkIngress({ tunnel: 'flatrender', ingress }).map(problemText);
}

test('the shipped config.yml is one that cloudflared takes', () => {
  const text = readFileSync(join(packageRoot(), 'templates', 'config', 'cloudflared.yml'), 'utf8');
  assert.deepEqual(checkIngress(parse(text)), []);
});

// Each of these is refused by cloudflared 2026.8.2 (ingress/ingress.go), most of them without the number of the rule.
const refused: readonly (readonly [what: string, rules: readonly unknown[], said: string])[] = [
  [
    'no rule that takes what is left',
    [{ hostname: 'a.example.com', service: 'http://localhost:1' }],
    'rule 1: a.example.com: the last rule must catch what is left: no hostname, no path, such as service: http_status:404',
  ],
  [
    'a last rule with a path',
    [{ path: '/x', service: 'http://localhost:1' }],
    'rule 1: the last rule must catch what is left: no hostname, no path, such as service: http_status:404',
  ],
  [
    'a catch-all before the last rule',
    [{ hostname: '*', service: 'http://localhost:1' }, CATCH_ALL],
    'rule 1: *: matches everything, so the rules after it are never reached',
  ],
  [
    'a port in a hostname',
    [{ hostname: 'a.example.com:443', service: 'http://localhost:1' }, CATCH_ALL],
    'rule 1: a.example.com:443: a hostname has no port here: the tunnel is reached on 443',
  ],
  [
    'a wildcard inside a hostname',
    [{ hostname: 'a.*.example.com', service: 'http://localhost:1' }, CATCH_ALL],
    'rule 1: a.*.example.com: "*" is only allowed once, as the first label: *.example.com',
  ],
  [
    'a service with a path',
    [{ hostname: 'a.example.com', service: 'http://localhost:8088/v1' }, CATCH_ALL],
    'rule 1: http://localhost:8088/v1: without "/v1": requests keep their own path, and a service has none',
  ],
  [
    'a service with nothing but a slash',
    [{ hostname: 'a.example.com', service: 'http://localhost:8088/' }, CATCH_ALL],
    'rule 1: http://localhost:8088/: without "/": requests keep their own path, and a service has none',
  ],
  [
    'a service without a scheme',
    [{ hostname: 'a.example.com', service: 'localhost:8088' }, CATCH_ALL],
    'rule 1: localhost:8088: a service is scheme and host, such as http://localhost:8088',
  ],
  [
    'a service without a host',
    [{ hostname: 'a.example.com', service: 'http://:8088' }, CATCH_ALL],
    'rule 1: http://:8088: "" is no host',
  ],
  [
    'a status of two digits',
    [{ service: 'http_status:99' }],
    'rule 1: http_status:99: a status is from 100 to 999, such as http_status:404',
  ],
  [
    'a status of four digits',
    [{ service: 'http_status:1000' }],
    'rule 1: http_status:1000: a status is from 100 to 999, such as http_status:404',
  ],
  [
    'no service',
    [{ hostname: 'a.example.com' }, CATCH_ALL],
    'rule 1: service: missing: scheme and host, such as http://localhost:8088',
  ],
  [
    'a duration without a unit',
    [{ service: 'http_status:404', originRequest: { connectTimeout: '30' } }],
    'rule 1: 30: originRequest.connectTimeout: a duration with its unit, such as 30s',
  ],
  [
    'a port of an access rule that is none',
    [{ service: 'socks-proxy', originRequest: { ipRules: [{ prefix: '10.0.0.0/8', ports: [0] }] } }],
    'rule 1: 0: originRequest.ipRules.0.ports.0: 1 to 65535',
  ],
  [
    'a network that is none',
    [{ service: 'socks-proxy', originRequest: { ipRules: [{ prefix: '10.0.0.0/33' }] } }],
    'rule 1: 10.0.0.0/33: originRequest.ipRules.0.prefix: a network such as 10.0.0.0/8',
  ],
  [
    'audiences without a team',
    [{ service: 'http_status:404', originRequest: { access: { required: true, audTag: ['a'] } } }],
    'rule 1: {"required":true,"audTag":["a"]}: originRequest.access: teamName must not be empty when there are audTags',
  ],
];

for (const [what, rules, said] of refused) {
  test(`${what} is refused with its rule and value`, () => {
    assert.deepEqual(problemsOf(...rules), [said]);
  });
}

// cloudflared starts with these, and does not do what whoever wrote them wants.
const useless: readonly (readonly [what: string, rules: readonly unknown[], said: RegExp])[] = [
  [
    'a wildcard without a dot',
    [{ hostname: '*example.com', service: 'http://localhost:1' }, CATCH_ALL],
    /^rule 1: \*example\.com: "\*" stands for whole labels/,
  ],
  [
    'a hostname with a scheme',
    [{ hostname: 'https://a.example.com', service: 'http://localhost:1' }, CATCH_ALL],
    /^rule 1: https:\/\/a\.example\.com: the name only/,
  ],
  [
    'a hostname in capitals',
    [{ hostname: 'A.example.com', service: 'http://localhost:1' }, CATCH_ALL],
    /in lower case/,
  ],
  [
    'an address as hostname',
    [{ hostname: '10.66.0.1', service: 'http://localhost:1' }, CATCH_ALL],
    /no name such as render\.example\.com/,
  ],
  [
    'the same hostname a second time',
    [
      { hostname: 'a.example.com', service: 'http://localhost:1' },
      { hostname: 'a.example.com', service: 'http://localhost:2' },
      CATCH_ALL,
    ],
    /^rule 2: a\.example\.com: rule 1 takes everything before it$/,
  ],
  [
    'a name behind its own wildcard',
    [
      { hostname: '*.example.com', service: 'http://localhost:1' },
      { hostname: 'a.example.com', path: '/x', service: 'http://localhost:2' },
      CATCH_ALL,
    ],
    /^rule 2: a\.example\.com: rule 1 takes everything before it$/,
  ],
  [
    'a port that no service has',
    [{ hostname: 'a.example.com', service: 'http://localhost:70000' }, CATCH_ALL],
    /port "70000" is not from 1 to 65535/,
  ],
  [
    'a scheme that cloudflared takes for TCP',
    [{ hostname: 'a.example.com', service: 'htp://localhost:80' }, CATCH_ALL],
    /scheme htp is not one of/,
  ],
  [
    'certificates of anybody',
    [{ service: 'https://localhost:8088', originRequest: { noTLSVerify: true } }],
    /^rule 1: true: originRequest\.noTLSVerify: true accepts any certificate/,
  ],
  [
    'a setting that does not exist',
    [{ service: 'http_status:404', originRequest: { connectTimeOut: '30s' } }],
    /^rule 1: connectTimeOut: unknown: connectTimeOut$/,
  ],
];

for (const [what, rules, said] of useless) {
  test(`${what} is told although cloudflared takes it`, () => {
    const [first, ...more] = problemsOf(...rules);
    assert.match(first ?? '', said);
    assert.deepEqual(more, []);
  });
}

test('a file without rules or tunnel is told as a whole', () => {
  assert.deepEqual(checkIngress({ tunnel: 'x', ingress: [] }).map(problemText), [
    '[]: ingress: no rules: the last one must catch what is left',
  ]);
  assert.deepEqual(checkIngress({ ingress: [CATCH_ALL] }).map(problemText), [
    'tunnel: the name or the id of the tunnel',
  ]);
  assert.equal(checkIngress(null).length, 1);
});

test('all mistakes are told at once, in the order of the rules', () => {
  const said = problemsOf(
    { hostname: 'a.example.com:1', service: 'localhost' },
    { hostname: '*', service: 'http://localhost:1' },
    { hostname: 'b.example.com', service: 'http://localhost:2' },
  );
  assert.deepEqual(
    said.map((text) => text.slice(0, 6)),
    ['rule 1', 'rule 1', 'rule 2', 'rule 3'],
  );
});

for (const path of [
  '(?=x)',
  '(?<!x)',
  String.raw`(a)\1`,
  '[]',
  '[^]',
  'a{1001}',
  '(',
  'x**',
  String.raw`\u0041`,
  String.raw`\cA`,
]) {
  test(`the path ${path} is refused: Go does not know it`, () => {
    assert.equal(
      problemsOf({ hostname: 'a.example.com', path, service: 'http://localhost:1' }, CATCH_ALL).length,
      1,
    );
  });
}

for (const path of [
  '(?i)/v1/.*',
  String.raw`\.(jpg|png)$`,
  String.raw`/a\-b`,
  '[[:alpha:]]+',
  String.raw`\A/x\z`,
  '(?P<id>x)',
  '{',
  '',
]) {
  test(`the path "${path}" is fine: Go knows it`, () => {
    assert.deepEqual(
      problemsOf({ hostname: 'a.example.com', path, service: 'http://localhost:1' }, CATCH_ALL),
      [],
    );
  });
}

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const name = fc.tuple(label, label, fc.constantFrom('com', 'io', 'co.uk')).map((labels) => labels.join('.'));
const service = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('http', 'https', 'tcp', 'ssh'),
      fc.oneof(name, fc.ipV4(), fc.constant('[::1]')),
      fc.integer({ min: 1, max: 65_535 }),
    )
    .map(([scheme, host, port]) => `${scheme}://${host}:${port}`),
  fc.integer({ min: 100, max: 999 }).map((status) => `http_status:${status}`),
  fc.constantFrom('hello_world', 'unix:/run/flatrender.sock'),
);

test('names that differ with any services are fine, as long as the last rule takes what is left', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(name, { maxLength: 6 }),
      fc.array(service, { minLength: 6, maxLength: 6 }),
      service,
      (names, services, last) => {
        const rules = names.map((hostname, index) => ({ hostname, service: services[index] }));
        assert.deepEqual(problemsOf(...rules, { service: last }), []);
      },
    ),
  );
});

test('whatever rules there are, cloudflared’s own conditions hold when nothing is told', () => {
  const odd = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '',
      '*',
      '*.example.com',
      'a.example.com',
      'a:1',
      'http://x',
      'http://x/',
      'http_status:0404',
    ),
  );
  const rule = fc.record(
    { hostname: fc.oneof(odd, name), path: fc.oneof(odd, fc.constant('')), service: fc.oneof(odd, service) },
    { requiredKeys: ['service'] },
  );
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), (rules) => {
      if (problemsOf(...rules).length > 0) return;
      for (const [index, { hostname = '', path = '', service: to }] of rules.entries()) {
        const catchesAll = (hostname === '' || hostname === '*') && path === '';
        assert.equal(catchesAll, index === rules.length - 1);
        assert.ok(!hostname.includes(':') && hostname.lastIndexOf('*') <= 0);
        if (/^https?:/.test(to)) assert.equal(new URL(to).pathname, '/');
      }
    }),
    { numRuns: 2000 },
  );
});
