import { Body, Controller, Head, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { MessageService, SMS_PATH } from './message-service.js';

/** The address to which the message service of a portal posts. */
@ApiTags('Bitrix24')
@Controller(SMS_PATH.slice(1))
export class SmsController {
  constructor(private readonly service: MessageService) {}

  @Head(':secret')
  @ApiOperation({ summary: 'Probe of the address' })
  @ApiParam({ name: 'secret', description: 'Of the portal, as it was registered.' })
  probe(): void {}

  @Post(':secret')
  @HttpCode(200)
  @ApiOperation({
    summary: 'A message that the CRM sends as an SMS by one of the bots, called by Bitrix24',
    description:
      'Form-encoded as Bitrix24 sends it, or JSON. 200 once committed; 400 for what is no such post; 403 when it is not proven where it comes from; 503 when it cannot be stored.',
  })
  @ApiParam({ name: 'secret', description: 'Of the portal, as it was registered.' })
  @ApiBody({
    schema: { type: 'object' },
    examples: {
      card: {
        summary: 'Sent in the card of a deal',
        value: {
          module_id: 'crm',
          bindings: [{ OWNER_TYPE_ID: '2', OWNER_ID: '1' }],
          code: 'tg_bot_1',
          message_id: '0cc175b9c0f1b6a831c399e269772661',
          message_to: '+79990000000',
          message_body: 'Hello',
        },
      },
    },
  })
  async receive(@Param('secret') secret: string, @Body() body: unknown): Promise<{ ok: true }> {
    await this.service.accept(secret, body);
    return { ok: true };
  }
}
