import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { FastifyInstance } from 'fastify';

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
      {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'ADMIN_API_KEY',
        description: 'The key of ADMIN_API_KEY, or one made with POST /admin/keys.',
      },
      'admin',
    )
    .build();
  return SwaggerModule.createDocument(app, config);
}
