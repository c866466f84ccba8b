import { Body, Controller, Head, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { Robots, ROBOTS_PATH } from './robots.service.js';

/** The address to which business processes of a portal post. */
@ApiTags('Bitrix24')
@Controller(ROBOTS_PATH.slice(1))
export class RobotsController {
  constructor(private readonly robots: Robots) {}

  @Head(':secret')
  @ApiOperation({ summary: 'Probe of the address' })
  @ApiParam({ name: 'secret', description: 'Of the portal, as it was registered.' })
  probe(): void {}

  @Post(':secret')
  @HttpCode(200)
  @ApiOperation({
    summary: 'A robot of the CRM or an activity of a business process, called by Bitrix24',
    description:
      'Form-encoded as Bitrix24 sends it, or JSON. 200 once committed; 400 for what is no such post; 403 when it is not proven where it comes from; 503 when it cannot be stored.',
  })
  @ApiParam({ name: 'secret', description: 'Of the portal, as it was registered.' })
  @ApiBody({
    schema: { type: 'object' },
    examples: {
      message: {
        summary: 'A deal writes to its client',
        value: {
          code: 'tg_send_message',
          document_id: ['crm', 'CCrmDocumentDeal', 'DEAL_1'],
          event_token: '55c1dc1c3f0d75.78875596|A51601|x',
          properties: { text: 'Hello' },
          use_subscription: 'Y',
        },
      },
    },
  })
  async receive(@Param('secret') secret: string, @Body() body: unknown): Promise<{ ok: true }> {
    await this.robots.accept(secret, body);
    return { ok: true };
  }
}
