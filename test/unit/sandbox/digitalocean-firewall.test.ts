/**
 * Proves what packet filter rules follow from trusted sources, and how the log of a server is read. That the rules refuse and
 * let in is proved by test/activities/digitalocean/trusted-sources.test.ts.
 */
import { expect, test } from 'vitest';
import {
  binlogStatements,
  linesOf,
} from '../../../deploy/sandbox/stand-ins/digitalocean/binlog-statements.ts';
import { keptRules } from '../../../deploy/sandbox/stand-ins/digitalocean/clusters.ts';
import {
  applyFirewall,
  firewallTransaction,
  sourceNetworks,
} from '../../../deploy/sandbox/stand-ins/digitalocean/firewall.ts';
import { digitaloceanResources } from '../../../deploy/sandbox/settings.ts';

const { kubernetesClusterId, dropletId, dropletTag } = digitaloceanResources;

test.each([
  ['ip_addr', '192.0.2.7', ['192.0.2.7/32']],
  ['ip_addr', '192.0.2.0/24', ['192.0.2.0/24']],
  ['k8s', kubernetesClusterId, ['10.85.0.0/16']],
  ['k8s', '00000000-0000-0000-0000-000000000000', []],
  ['droplet', dropletId, ['127.0.0.0/8', '10.85.0.1/32']],
  ['droplet', '1', []],
  ['tag', dropletTag, ['127.0.0.0/8', '10.85.0.1/32']],
  ['tag', `k8s:${kubernetesClusterId}`, ['10.85.0.0/16']],
  ['tag', 'other', []],
  ['app', kubernetesClusterId, []],
] as const)('%s %s comes from %j', (type, value, networks) => {
  expect(sourceNetworks({ type, value })).toEqual(networks);
});

test('without trusted sources everybody comes in; with any, nobody else does', () => {
  expect(firewallTransaction([{ port: 1, rules: [] }])).toBe(
    '*filter\n:PRESSLIFT-DATABASES - [0:0]\nCOMMIT\n',
  );
  const rules = [
    { type: 'ip_addr', value: '192.0.2.7' },
    { type: 'ip_addr', value: '192.0.2.7/32' },
  ] as const;
  const unknown = [{ type: 'tag', value: 'nobody' }] as const;
  expect(
    firewallTransaction([
      { port: 1, rules },
      { port: 2, rules: [] },
      { port: 3, rules: unknown },
    ]).split('\n'),
  ).toEqual([
    '*filter',
    ':PRESSLIFT-DATABASES - [0:0]',
    // The provider itself.
    '-A PRESSLIFT-DATABASES -s 127.85.0.254/32 -j RETURN',
    '-A PRESSLIFT-DATABASES -p tcp -m tcp --dport 1 -s 192.0.2.7/32 -j RETURN',
    '-A PRESSLIFT-DATABASES -p tcp -m tcp --dport 1 -j DROP',
    '-A PRESSLIFT-DATABASES -p tcp -m tcp --dport 3 -j DROP',
    'COMMIT',
    '',
  ]);
});

test('the chain is jumped to before everything else, once', async () => {
  const ran: string[] = [];
  let first = '-A INPUT -j OTHER\n';
  const run = async (command: string, args: string[]) => {
    ran.push([command, ...args].join(' '));
    if (args.includes('-I')) first = '-A INPUT -p tcp -j PRESSLIFT-DATABASES\n';
    return { stdout: args.includes('-S') ? first : '' };
  };
  await applyFirewall([], run);
  await applyFirewall([], run);
  expect(ran.filter((line) => line.includes(' -I '))).toEqual([
    'iptables -w -I INPUT 1 -p tcp -j PRESSLIFT-DATABASES',
  ]);
});

test.each([
  ['2001:db8::1', false],
  ['256.1.1.1', false],
  ['10.0.0.0/33', false],
  ['name.example.com', false],
  ['10.0.0.1', true],
  ['10.0.0.0/8', true],
])('the address %s is taken: %s', (value, taken) => {
  const keep = () => keptRules([{ type: 'ip_addr', value }], new Date(0));
  if (taken) expect(keep()[0]).toMatchObject({ value, created_at: '1970-01-01T00:00:00.000Z' });
  else expect(keep).toThrow('not a valid IPv4 address');
});

test('more than 100 trusted sources are refused', () => {
  const rules = Array.from({ length: 101 }, () => ({ type: 'tag', value: 'x' }) as const);
  expect(() => keptRules(rules, new Date())).toThrow('at most 100');
  expect(keptRules(rules.slice(1), new Date())).toHaveLength(100);
});

async function* chunks(text: string, size: number) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('statements of a log are read whatever the text in them and however it comes in pieces', async () => {
  const text = [
    '# The proper term is pseudo_replica_mode',
    '/*!50530 SET @@SESSION.PSEUDO_SLAVE_MODE=1*/;',
    'DELIMITER /*!*/;',
    '# at 4',
    "BINLOG '",
    'AAAA',
    "'/*!*/;",
    '/*!\\C utf8mb4 *//*!*/;',
    "CREATE TRIGGER t BEFORE INSERT ON e FOR EACH ROW BEGIN SET NEW.a = ';'; # ü\r",
    "SET NEW.b = 'x\u2028y'; END",
    '/*!*/;',
    'DELIMITER ;',
    '# End of log file',
    '/*!50530 SET @@SESSION.PSEUDO_SLAVE_MODE=0*/;',
    '',
  ].join('\n');
  for (const size of [1, 3, 1_000]) {
    const found: string[] = [];
    for await (const each of binlogStatements(linesOf(chunks(text, size)))) found.push(each);
    expect(found).toEqual([
      '/*!50530 SET @@SESSION.PSEUDO_SLAVE_MODE=1*/',
      "BINLOG '\nAAAA\n'",
      "CREATE TRIGGER t BEFORE INSERT ON e FOR EACH ROW BEGIN SET NEW.a = ';'; # ü\r\nSET NEW.b = 'x\u2028y'; END\n",
      '/*!50530 SET @@SESSION.PSEUDO_SLAVE_MODE=0*/',
    ]);
  }
});

test('output that ends inside a statement is an error, not a shorter log', async () => {
  const read = async () => {
    const lines = linesOf(chunks("DELIMITER /*!*/;\nBINLOG '\nAAAA\n", 4));
    for await (const each of binlogStatements(lines)) expect(each).toBe('');
  };
  await expect(read()).rejects.toThrow('inside a statement');
});
