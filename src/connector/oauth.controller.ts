import { Body, Controller, Get, Head, Headers, HttpCode, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { scalar } from '../bitrix/php-values.reader.js';
import { FramesService } from './install/frames.service.js';
import { AuthorisationService } from './install/authorisation.service.js';
import { OauthCallbackService } from './install/oauth-callback.service.js';
import { replyFrame } from './install/page-reply.js';
import { SettingsService } from './settings/settings.service.js';

/** Authorisation by an administrator's browser, and the application's own page, which has the same address. */
@ApiTags('Bitrix24')
@Controller('b24')
export class OauthController {
  constructor(
    private readonly authorisation: AuthorisationService,
    private readonly callbacks: OauthCallbackService,
    private readonly settings: SettingsService,
    private readonly frames: FramesService,
  ) {}

  @Get('install')
  @ApiOperation({ summary: 'Start of the authorisation', description: 'The address is good once, for ten minutes.' })
  @ApiQuery({
    name: 'application',
    required: false,
    description: 'Id of a stored application; without it the one of B24_CLIENT_ID',
  })
  @ApiQuery({ name: 'redirect', required: false, description: '1: answer 302 to the address instead of JSON' })
  async start(
    @Query('redirect') redirect: unknown,
    @Query('application') application: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ auth_url: string } | undefined> {
    const url = await this.authorisation.start(scalar(application) || undefined);
    reply.header('cache-control', 'no-store');
    if (redirect !== '1') return { auth_url: url };
    reply.status(302).header('location', url);
    return undefined;
  }

  @Head('oauth/callback')
  @ApiOperation({ summary: 'Probe of the address' })
  probe(): void {}

  @Get('oauth/callback')
  @ApiOperation({
    summary: 'End of the authorisation, called by Bitrix24 through the browser',
    description: 'A page that lists each step and its result; JSON with `Accept: application/json`.',
  })
  async finish(
    @Query() query: Record<string, unknown>,
    @Headers('accept') accept: string | undefined,
    @Headers('accept-language') languages: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown> {
    if (accept?.includes('application/json')) return this.callbacks.finish(query);
    const page = await this.callbacks.page(query, languages);
    return replyFrame(reply, page);
  }

  @Post('oauth/callback')
  @HttpCode(200)
  @ApiOperation({ summary: 'The application opened in the portal, called by Bitrix24' })
  async open(
    @Query() query: unknown,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const page = await this.frames.answer(query, body, (frame, lang) => this.settings.showApplication(frame, lang));
    return replyFrame(reply, page);
  }
}
