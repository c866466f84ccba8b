import { Controller, Get, Header, Headers, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { VERSION } from '../common/version.js';
import { webPage, webPagePolicy } from '../common/web-page.js';
import { Environment } from '../config/environment.js';

/** The console: one page, everything else of it is the admin API. It holds nothing secret, so it needs no key. */
@ApiExcludeController()
@Controller('console')
export class ConsoleController {
  constructor(private readonly environment: Environment) {}

  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('cache-control', 'no-cache')
  page(
    @Headers('accept-language') languages: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): string {
    const { publicUrl } = this.environment;
    const filesFrom = publicUrl && new URL(publicUrl).origin;
    void reply.header('content-security-policy', webPagePolicy({ ...(filesFrom && { filesFrom }) }));
    const lang = /^ru\b/i.test(languages ?? '') ? 'ru' : 'en';
    return webPage({
      name: 'console',
      toRoot: '',
      lang,
      title: 'Telegram ⇄ Bitrix24',
      bootstrap: { version: VERSION },
    });
  }
}
