import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { ProblemBody } from './common/problem.dto.js';

/** Swagger UI loads what it needs from us and nothing from elsewhere. */
const POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'";

/** Swagger UI at /docs, the OpenAPI 3 document at /docs-json. */
export function serveDocs(app: NestFastifyApplication): void {
  const server = app.getHttpAdapter().getInstance();
  server.addHook('onRequest', (request, reply, done) => {
    if (/^\/docs(?:$|[/?])/.test(request.url)) void reply.header('content-security-policy', POLICY);
    done();
  });
  SwaggerModule.setup('docs', app, () => openApi(app), {
    jsonDocumentUrl: 'docs-json',
    customSiteTitle: 'Telegram and Bitrix24 Open Lines',
    // Swagger UI would otherwise send the document's address to validator.swagger.io.
    swaggerOptions: { validatorUrl: null, persistAuthorization: false, onComplete: forgetKey },
  });
}

/**
 * Runs in the browser: the key lives as long as the page. Versions before kept it for whoever opens the browser next, so
 * what they left behind is removed.
 */
function forgetKey(): void {
  (globalThis as unknown as { localStorage: { removeItem(name: string): void } }).localStorage.removeItem('authorized');
}

/** The whole API as an OpenAPI 3 document: what Nest finds in the controllers, with answers and examples. */
export function openApi(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Telegram and Bitrix24 Open Lines')
    .setDescription(
      'Relays messages between Telegram bots and Bitrix24 Open Lines. Errors are application/problem+json (RFC 9457) with a stable `code`; lists are `{ items, nextCursor }`, newest first. Answers may get further properties: pass over those that you do not know.',
    )
    .setVersion('1')
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth(
      {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'ADMIN_API_KEY',
        description: 'The key of ADMIN_API_KEY, or one made with POST /admin/keys.',
      },
      'admin',
    )
    .build();
  const document = SwaggerModule.createDocument(app, config, { extraModels: [ProblemBody] });
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const method of ['get', 'post', 'put', 'patch', 'delete'] as const) {
      const operation = methods[method];
      if (!operation) continue;
      if (path.startsWith('/admin')) {
        describeProblems(operation);
        describeIds(operation);
      }
      for (const media of Object.values(bodyOf(operation)?.content ?? {})) {
        if (!media.examples) media.example ??= exampleOf(media.schema, document);
      }
    }
  }
  return withSortedEnums(document);
}

/** The compiler lists the members of a union in the order in which it met them: a change elsewhere would turn them round. */
function withSortedEnums(document: OpenAPIObject): OpenAPIObject {
  const sorted = (keyword: string, value: unknown): unknown =>
    keyword === 'enum' && Array.isArray(value) ? value.toSorted() : value;
  return JSON.parse(JSON.stringify(document, sorted)) as OpenAPIObject;
}

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;
type Body = Exclude<Operation['requestBody'], { $ref: string } | undefined>;
type Schema = NonNullable<Body['content'][string]['schema']>;

function bodyOf({ requestBody }: Operation): Body | undefined {
  return requestBody && 'content' in requestBody ? requestBody : undefined;
}

/** Whatever is not a success is a problem. */
function describeProblems({ responses }: Operation): void {
  const content = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  for (const [status, response] of Object.entries(responses)) {
    if (/^[45]/.test(status)) Object.assign(response!, { content });
  }
  responses['default'] ??= { description: 'Any other outcome, as a problem.', content };
}

/** Ids are bigints to a controller, and decimal strings to whoever calls it. */
function describeIds({ parameters = [] }: Operation): void {
  for (const parameter of parameters) {
    if ('in' in parameter && parameter.in === 'path') parameter.schema = { type: 'string', pattern: '^\\d+$' };
  }
}

/** A body that can be sent as it stands: what must be there, and what has a value to show. */
function exampleOf(schema: Schema | undefined, document: OpenAPIObject): unknown {
  if (!schema) return {};
  if ('$ref' in schema) {
    return exampleOf(document.components?.schemas?.[schema.$ref.split('/').at(-1)!], document);
  }
  if (schema.example !== undefined) return schema.example;
  const shown = Object.entries(schema.properties ?? {}).flatMap(([name, property]): [string, unknown][] => {
    const value =
      '$ref' in property ? exampleOf(property, document) : (property.example ?? property.default ?? property.enum?.[0]);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(shown);
}
