import { Body, Controller, Headers, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Update } from '@grammyjs/types';
import { Problem } from '../../common/problem.js';
import { INTAKE_LIMIT_MS, within } from '../../common/within.js';
import { EncryptionService } from '../../storage/secrets/encryption.service.js';
import { RunningBots } from '../bots/running-bots.js';
import { UpdatesService } from './updates.service.js';

const EXAMPLE = {
  update_id: 1000001,
  message: {
    message_id: 11,
    date: 1773265993,
    chat: { id: 123456, type: 'private', first_name: 'Ivan' },
    from: { id: 123456, is_bot: false, first_name: 'Ivan' },
    text: 'Hello!',
  },
};

/** Where Telegram pushes updates. 200 with an empty body means: committed. */
@ApiTags('Telegram')
@ApiHeader({
  name: 'X-Telegram-Bot-Api-Secret-Token',
  required: false,
  description: 'The secret of the webhook, if one is set',
})
@Controller('tg/webhook')
export class WebhookController {
  constructor(
    private readonly bots: RunningBots,
    private readonly updates: UpdatesService,
    private readonly encryption: EncryptionService,
  ) {}

  @Post()
  @HttpCode(200)
  @ApiBody({ schema: { type: 'object', example: EXAMPLE } })
  @ApiOperation({ summary: 'An update for the default bot' })
  receiveDefault(
    @Headers('x-telegram-bot-api-secret-token') secret: string | undefined,
    @Body() update: unknown,
  ): Promise<void> {
    return within(INTAKE_LIMIT_MS, this.receive(undefined, secret, update));
  }

  @Post(':botKey')
  @HttpCode(200)
  @ApiBody({ schema: { type: 'object', example: EXAMPLE } })
  @ApiOperation({ summary: 'An update for one bot' })
  receiveFor(
    @Param('botKey') botKey: string,
    @Headers('x-telegram-bot-api-secret-token') secret: string | undefined,
    @Body() update: unknown,
  ): Promise<void> {
    return within(INTAKE_LIMIT_MS, this.receive(botKey, secret, update));
  }

  private async receive(key: string | undefined, secret: string | undefined, update: unknown): Promise<void> {
    const bot = await this.bots.receiver(key);
    if (!bot) {
      throw key === undefined
        ? new Problem(404, 'no_default_bot', 'No bot is in service: set TG_BOT_TOKEN or add one with POST /admin/bots.')
        : new Problem(404, 'unknown_bot', 'No bot has this webhook address.');
    }
    if (bot.webhookSecret !== null && !this.encryption.equal(secret ?? '', bot.webhookSecret)) {
      throw new Problem(
        401,
        'wrong_secret',
        'The header X-Telegram-Bot-Api-Secret-Token does not match the secret of the webhook.',
      );
    }
    if (!isUpdate(update)) {
      throw new Problem(
        400,
        'not_an_update',
        'The body must be a Telegram update: a JSON object with an integer update_id.',
      );
    }
    await this.updates.acceptPushed(bot, update);
  }
}

function isUpdate(body: unknown): body is Update {
  return typeof body === 'object' && body !== null && Number.isSafeInteger((body as Update).update_id);
}
