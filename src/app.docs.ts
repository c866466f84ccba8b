import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { FastifyInstance } from 'fastify';

/** A request body to try out, by path. */
const EXAMPLES: Record<string, { summary: string; value: unknown }> = {
  '/tg/webhook': {
    summary: 'A client writes to the default bot',
    value: {
      update_id: 1,
      message: {
        message_id: 1,
        date: 1_780_000_000,
        chat: { id: 123456, type: 'private', first_name: 'Ann' },
        from: { id: 123456, is_bot: false, first_name: 'Ann' },
        text: 'Hello',
      },
    },
  },
  '/b24/handler': {
    summary: 'An operator answers (short form; with one connected portal only)',
    value: {
      event: 'ONIMCONNECTORMESSAGEADD',
      data: { chat: { id: 'tg:123456' }, message: { id: 'b24:1', text: 'Good afternoon' } },
    },
  },
};

/** Swagger UI loads what it needs from us and nothing from elsewhere. */
const POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'";

/** Swagger UI at /docs, the OpenAPI 3 document at /docs-json. */
export function serveDocs(app: NestFastifyApplication): void {
  const server = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  server.addHook('onRequest', (request, reply, done) => {
    if (/^\/docs(?:$|[/?])/.test(request.url)) void reply.header('content-security-policy', POLICY);
    done();
  });
  SwaggerModule.setup('docs', app, () => openApi(app), {
    jsonDocumentUrl: 'docs-json',
    customSiteTitle: 'Telegram and Bitrix24 Open Lines',
    // Swagger UI would otherwise send the document's address to validator.swagger.io.
    swaggerOptions: { validatorUrl: null, persistAuthorization: true },
  });
}

/** The whole API as an OpenAPI 3 document. */
export function openApi(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Telegram and Bitrix24 Open Lines')
    .setDescription(
      'Relays messages between Telegram bots and Bitrix24 Open Lines. Errors are application/problem+json (RFC 9457) with a stable `code`; lists are `{ items, nextCursor }`, newest first.',
    )
    .setVersion('1')
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', bearerFormat: 'ADMIN_API_KEY', description: 'The key of ADMIN_API_KEY.' },
      'admin',
    )
    .build();
  const document = SwaggerModule.createDocument(app, config);
  for (const [path, example] of Object.entries(EXAMPLES)) {
    const operation = document.paths[path]?.post;
    if (!operation) continue;
    operation.requestBody = {
      required: true,
      content: { 'application/json': { schema: { type: 'object' }, examples: { example } } },
    };
  }
  return document;
}
