/**
 * The provider's published specification, made to check: which operation a request is, whether the request fits it and
 * whether an answer does. `specification.json` is the part of DigitalOcean's OpenAPI document with the operations that
 * the stand-in serves (code samples left out), under the licence beside it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ValidateFunction } from 'ajv';
import { Ajv } from 'ajv';

interface Reference {
  $ref: string;
}

interface ParameterObject {
  in: 'path' | 'query';
  name: string;
  required?: boolean;
  schema: object;
}

interface OperationObject {
  operationId: string;
  parameters?: Reference[];
  requestBody?: { required?: boolean; content: Record<string, { schema: object }> };
  responses: Record<string, Reference>;
}

interface ResponseObject {
  headers?: Record<string, unknown>;
  content?: Record<string, unknown>;
}

interface SpecificationDocument {
  paths: Record<string, Record<string, OperationObject>>;
  components: {
    parameters: Record<string, ParameterObject>;
    responses: Record<string, ResponseObject>;
  };
}

/** Where in a request something does not fit. */
export interface RequestProblem {
  in: 'path' | 'query' | 'body';
  message: string;
}

export interface CheckedRequest {
  path: Record<string, string>;
  /** Query parameters with the specification's types and defaults. */
  query: Record<string, string | number>;
  body: unknown;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** Undefined: no body. */
  body?: unknown;
}

/** One operation of the specification. */
export interface Operation {
  id: string;
  method: string;
  /** Whether the specification lists this status for the operation by its number. */
  documents(status: number): boolean;
  /** What of a request does not fit; fills `query` with types and defaults as it goes. */
  checkRequest(request: CheckedRequest): RequestProblem[];
  /** What of an answer does not fit; empty when all does. */
  checkAnswer(answer: Answer): string[];
}

export interface Specification {
  operations: readonly Operation[];
  /** The operation of a request and its path parameters; undefined when there is none. */
  match(
    method: string,
    path: string,
  ): { operation: Operation; path: Record<string, string> } | undefined;
}

const documentId = 'digitalocean';

const formats = {
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  // JSON numbers are checked by their type.
  uint64: true as const,
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
};

/** Reads and compiles the specification. */
export function loadSpecification(
  file = join(import.meta.dirname, 'specification.json'),
): Specification {
  const document = JSON.parse(readFileSync(file, 'utf8')) as SpecificationDocument;
  // OpenAPI 3.0 schemas carry keywords (example, readOnly) that mean nothing to a validator.
  const options = { strict: false, allErrors: true, formats } as const;
  const bodies = new Ajv(options);
  const parameters = new Ajv({ ...options, coerceTypes: true, useDefaults: true });
  for (const validator of [bodies, parameters]) validator.addSchema(document, documentId);

  const operations = Object.entries(document.paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const pointer = `${documentId}#/paths/${escaped(template)}/${method}`;
      const named = (operation.parameters ?? []).map(
        ({ $ref }) => document.components.parameters[$ref.split('/').at(-1)!]!,
      );
      return {
        pattern: pathPattern(template),
        operation: compile(document, operation, method.toUpperCase(), {
          path: later(() => parameters.compile(parameterSchema(named, 'path'))),
          query: later(() => parameters.compile(parameterSchema(named, 'query'))),
          body: operation.requestBody
            ? later(() =>
                bodies.compile({
                  $ref: `${pointer}/requestBody/content/${escaped('application/json')}/schema`,
                }),
              )
            : undefined,
          response: (name) =>
            later(() =>
              bodies.compile({
                $ref: `${documentId}#/components/responses/${name}/content/${escaped('application/json')}/schema`,
              }),
            ),
        }),
      };
    }),
  );

  return {
    operations: operations.map(({ operation }) => operation),
    match(method, path) {
      for (const { operation, pattern } of operations) {
        const found = operation.method === method ? pattern.exec(path) : null;
        if (found) return { operation, path: decoded(found.groups ?? {}) };
      }
      return undefined;
    },
  };
}

/** Compiled at the first use: most processes use few of the operations. */
type LateValidator = () => ValidateFunction;

function later(compiled: LateValidator): LateValidator {
  let validate: ValidateFunction | undefined;
  return () => (validate ??= compiled());
}

interface Validators {
  path: LateValidator;
  query: LateValidator;
  body: LateValidator | undefined;
  /** Validator of a named response's body. */
  response(name: string): LateValidator;
}

function compile(
  document: SpecificationDocument,
  operation: OperationObject,
  method: string,
  validators: Validators,
): Operation {
  const responseBodies = new Map<string, LateValidator | undefined>();
  for (const { $ref } of Object.values(operation.responses)) {
    const name = $ref.split('/').at(-1)!;
    const hasBody = document.components.responses[name]?.content !== undefined;
    responseBodies.set(name, hasBody ? validators.response(name) : undefined);
  }

  return {
    id: operation.operationId,
    method,
    documents: (status) => String(status) in operation.responses,
    checkRequest(request) {
      const problems: RequestProblem[] = [];
      const check = (where: RequestProblem['in'], validate: ValidateFunction, value: unknown) => {
        if (!validate(value))
          problems.push(...messages(validate).map((message) => ({ in: where, message })));
      };
      check('path', validators.path(), request.path);
      check('query', validators.query(), request.query);
      if (validators.body) {
        const missing = request.body === undefined;
        if (!missing) check('body', validators.body(), request.body);
        else if (operation.requestBody?.required) {
          problems.push({ in: 'body', message: 'a JSON body is required' });
        }
      }
      return problems;
    },
    checkAnswer({ status, headers, body }) {
      const reference = operation.responses[String(status)] ?? operation.responses['default'];
      if (!reference) return [`status ${status} is not documented`];
      const name = reference.$ref.split('/').at(-1)!;
      const problems = Object.keys(document.components.responses[name]?.headers ?? {})
        .filter((header) => !/^\d+$/.test(headers[header] ?? ''))
        .map((header) => `header ${header} is not an integer`);
      const validate = responseBodies.get(name)?.();
      if (!validate) return body === undefined ? problems : [...problems, 'no body is documented'];
      if (!validate(body)) problems.push(...messages(validate));
      return problems;
    },
  };
}

/** Parameters of one place as one object schema. */
function parameterSchema(parameters: ParameterObject[], place: ParameterObject['in']): object {
  const here = parameters.filter((parameter) => parameter.in === place);
  return {
    type: 'object',
    properties: Object.fromEntries(here.map(({ name, schema }) => [name, schema])),
    required: here.filter(({ required }) => required).map(({ name }) => name),
  };
}

function messages(validate: ValidateFunction): string[] {
  return (validate.errors ?? []).map(
    ({ instancePath, message }) => `${instancePath || 'the whole'} ${message ?? 'does not fit'}`,
  );
}

function pathPattern(template: string): RegExp {
  return new RegExp(`^${template.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
}

function decoded(groups: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]),
  );
}

/** A key as part of a JSON pointer in a URI fragment. */
function escaped(key: string): string {
  return encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));
}
