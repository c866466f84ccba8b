import { Body, Controller, Head, HttpCode, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { EventsService } from './events.service.js';

/** The address that every event of Bitrix24 is bound to. */
@ApiTags('Bitrix24')
@Controller('b24/handler')
export class EventsController {
  constructor(private readonly events: EventsService) {}

  @Head()
  @ApiOperation({ summary: 'Probe of the address' })
  probe(): void {}

  @Post()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Events, called by Bitrix24',
    description:
      'Form-encoded as Bitrix24 sends them, or JSON. 200 once committed; 400 for what is no event; 403 when it is not proven where it comes from; 503 when it cannot be stored.',
  })
  @ApiQuery({ name: 'secret', required: false, description: 'B24_HANDLER_SECRET' })
  @ApiBody({
    schema: { type: 'object' },
    examples: {
      short: {
        summary: 'An operator answers (short form; with one connected portal only)',
        value: {
          event: 'ONIMCONNECTORMESSAGEADD',
          data: { chat: { id: 'tg:123456' }, message: { id: 'b24:1', text: 'Hello' } },
        },
      },
    },
  })
  async receive(@Query('secret') secret: unknown, @Body() body: unknown): Promise<{ ok: true }> {
    await this.events.accept(secret, body);
    return { ok: true };
  }
}
