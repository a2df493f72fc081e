/** What a rule may look like, by its phase: the fields and values of the published API, and nothing else. */
import { z } from 'zod';

const text = z.string().min(1);
const seconds = z.int().min(0);
const names = z.array(text);

const statusCodeTtl = z
  .strictObject({
    /** -1 is "no store", 0 "no cache". */
    value: z.int().min(-1),
    status_code: z.int().min(100).max(999).optional(),
    status_code_range: z
      .strictObject({
        from: z.int().min(100).max(999).optional(),
        to: z.int().min(100).max(999).optional(),
      })
      .optional(),
  })
  .refine(
    (ttl) => (ttl.status_code === undefined) !== (ttl.status_code_range === undefined),
    'needs exactly one of status_code and status_code_range',
  );

const needsDefault = (ttl: { mode: string; default?: number | undefined }): boolean =>
  (ttl.mode === 'override_origin') === (ttl.default !== undefined);
const needsDefaultMessage = 'default is needed with the mode override_origin and with no other';

const cacheSettings = z.strictObject({
  additional_cacheable_ports: z.array(z.int().min(1).max(65_535)).optional(),
  browser_ttl: z
    .strictObject({
      mode: z.enum(['respect_origin', 'bypass_by_default', 'override_origin', 'bypass']),
      default: seconds.optional(),
    })
    .refine(needsDefault, needsDefaultMessage)
    .optional(),
  cache: z.boolean().optional(),
  cache_key: z
    .strictObject({
      cache_by_device_type: z.boolean().optional(),
      cache_deception_armor: z.boolean().optional(),
      custom_key: z.record(z.string(), z.unknown()).optional(),
      ignore_query_strings_order: z.boolean().optional(),
    })
    .optional(),
  cache_reserve: z
    .strictObject({ eligible: z.boolean(), minimum_file_size: seconds.optional() })
    .optional(),
  edge_ttl: z
    .strictObject({
      mode: z.enum(['respect_origin', 'bypass_by_default', 'override_origin']),
      default: seconds.optional(),
      status_code_ttl: z.array(statusCodeTtl).optional(),
    })
    .refine(needsDefault, needsDefaultMessage)
    .optional(),
  origin_cache_control: z.boolean().optional(),
  origin_error_page_passthru: z.boolean().optional(),
  read_timeout: seconds.optional(),
  respect_strong_etags: z.boolean().optional(),
  serve_stale: z.strictObject({ disable_stale_while_updating: z.boolean().optional() }).optional(),
  strip_etags: z.boolean().optional(),
  strip_last_modified: z.boolean().optional(),
  strip_set_cookie: z.boolean().optional(),
});

const blockResponse = z.strictObject({
  response: z
    .strictObject({
      content: text,
      content_type: z.enum(['application/json', 'text/html', 'text/plain', 'text/xml']),
      status_code: z.int().min(400).max(499),
    })
    .optional(),
});

const skip = z.strictObject({
  phase: z.literal('current').optional(),
  phases: names.optional(),
  products: names.optional(),
  ruleset: z.literal('current').optional(),
  rulesets: names.optional(),
  rules: z.record(z.string(), names).optional(),
});

const valueOrExpression = z
  .union([z.strictObject({ value: z.string() }), z.strictObject({ expression: text })])
  .describe('exactly one of value and expression');

const redirect = z
  .strictObject({
    from_value: z
      .strictObject({
        preserve_query_string: z.boolean().optional(),
        status_code: z.literal([301, 302, 303, 307, 308]).optional(),
        target_url: valueOrExpression,
      })
      .optional(),
    from_list: z.strictObject({ key: text, name: text }).optional(),
  })
  .refine(
    (given) => (given.from_value === undefined) !== (given.from_list === undefined),
    'needs exactly one of from_value and from_list',
  );

const header = z.union([
  z.strictObject({ operation: z.literal('remove') }),
  z.strictObject({ operation: z.enum(['add', 'set']), value: z.string() }),
  z.strictObject({ operation: z.enum(['add', 'set']), expression: text }),
]);

const rewrite = z.strictObject({
  headers: z.record(text, header).optional(),
  uri: z
    .strictObject({
      path: valueOrExpression.optional(),
      query: valueOrExpression.optional(),
      origin: z.boolean().optional(),
    })
    .optional(),
});

const anything = z.record(z.string(), z.unknown());

/** By action: what its parameters look like. */
const parameters: Record<string, z.ZodType> = {
  set_cache_settings: cacheSettings,
  block: blockResponse,
  skip,
  redirect,
  rewrite,
};

/** By phase: the actions that it takes. Phases of other products are not served. */
export const phaseActions: Readonly<Record<string, readonly string[]>> = {
  http_config_settings: ['set_config'],
  http_custom_errors: ['serve_error'],
  http_ratelimit: ['block', 'challenge', 'js_challenge', 'log', 'managed_challenge'],
  http_request_cache_settings: ['set_cache_settings'],
  http_request_dynamic_redirect: ['redirect'],
  http_request_firewall_custom: [
    ...['block', 'challenge', 'js_challenge', 'log', 'managed_challenge', 'skip'],
  ],
  http_request_firewall_managed: ['execute', 'skip'],
  http_request_late_transform: ['rewrite'],
  http_request_origin: ['route'],
  http_request_redirect: ['redirect'],
  http_request_transform: ['rewrite'],
  http_response_compression: ['compress_response'],
  http_response_headers_transform: ['rewrite'],
};

const ruleSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[0-9a-f]{32}$/, 'is not an identifier')
    .optional(),
  ref: text.optional(),
  action: text,
  action_parameters: anything.optional(),
  description: z.string().max(500).optional(),
  enabled: z.boolean().optional(),
  expression: text.refine(isBalanced, 'has an unclosed quote or bracket'),
  logging: z.strictObject({ enabled: z.boolean() }).optional(),
  ratelimit: anything.optional(),
  exposed_credential_check: z
    .strictObject({ username_expression: text, password_expression: text })
    .optional(),
});

/** A rule as a request gives it. */
export type RuleInput = z.output<typeof ruleSchema>;

const rulesetSchema = z.strictObject({
  rules: z.array(ruleSchema).default([]),
  name: text.optional(),
  description: z.string().optional(),
});

export type RulesetInput = z.output<typeof rulesetSchema>;

export interface ShapeProblem {
  /** JSON pointer. */
  pointer: string;
  message: string;
}

/** Checks the body of an update of a phase's ruleset; returns it, or what is wrong with it. */
export function checkRuleset(
  phase: string,
  body: unknown,
): { ruleset: RulesetInput } | { problems: ShapeProblem[] } {
  const parsed = rulesetSchema.safeParse(body);
  if (!parsed.success) return { problems: problemsOf(parsed.error) };
  const ruleset = parsed.data;
  const problems = ruleset.rules.flatMap((rule, index) => checkRule(phase, rule, index));
  problems.push(...twice(ruleset.rules, 'ref'), ...twice(ruleset.rules, 'id'));
  return problems.length > 0 ? { problems } : { ruleset };
}

function checkRule(phase: string, rule: RuleInput, index: number): ShapeProblem[] {
  const at = `/rules/${index}`;
  if (!phaseActions[phase]?.includes(rule.action)) {
    const message = `'${rule.action}' is not a valid value for action in the phase ${phase}`;
    return [{ pointer: `${at}/action`, message }];
  }
  const schema = parameters[rule.action];
  const needed = rule.action !== 'block' && schema !== undefined;
  if (rule.action_parameters === undefined) {
    const message = `action_parameters are needed for the action ${rule.action}`;
    return needed ? [{ pointer: `${at}/action_parameters`, message }] : [];
  }
  const checked = schema?.safeParse(rule.action_parameters);
  return checked?.error ? problemsOf(checked.error, `${at}/action_parameters`) : [];
}

function problemsOf(error: z.ZodError, at = ''): ShapeProblem[] {
  return error.issues.map(({ path, message }) => ({
    pointer: [at, ...path.map(String)].join('/') || '/',
    message,
  }));
}

/** Rules that share what only one may have. */
function twice(rules: readonly RuleInput[], field: 'ref' | 'id'): ShapeProblem[] {
  const seen = new Set<string>();
  return rules.flatMap((rule, index) => {
    const value = rule[field];
    if (value === undefined) return [];
    const message = `'${value}' is used by another rule of the ruleset`;
    if (seen.has(value)) return [{ pointer: `/rules/${index}/${field}`, message }];
    seen.add(value);
    return [];
  });
}

/** Whether brackets and double quotes of an expression close; more of its language is not read here. */
function isBalanced(expression: string): boolean {
  const bare = expression.replaceAll(/"(?:[^"\\]|\\.)*"/gs, '');
  if (bare.includes('"')) return false;
  const open: string[] = [];
  const closes: Record<string, string> = { ')': '(', '}': '{', ']': '[' };
  for (const character of bare) {
    if ('({['.includes(character)) open.push(character);
    else if (character in closes && open.pop() !== closes[character]) return false;
  }
  return open.length === 0;
}
