import { Get, Param, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { RestRequestsRepository, type StoredRestRequest } from '../../storage/work/rest-requests.repository.js';
import { AdminController } from '../access/admin.decorator.js';
import { CalledBy, canAccess, type Caller } from '../access/caller.js';
import { decodePlace, encodePlace, pageOf } from '../../common/cursor.js';
import { IdPipe, notFound } from '../id.pipe.js';
import { RequestItem, RequestPage, RequestsQuery } from './requests.dto.js';

/** The log of REST requests of a portal. */
@AdminController('portals')
export class RequestsController {
  constructor(
    private readonly portals: PortalsRepository,
    private readonly requests: RestRequestsRepository,
  ) {}

  @Get(':id/requests')
  @ApiOperation({
    summary: 'REST requests of the last three days, newest first',
    description:
      'What was called, how long it took and how it ended; never parameters, answers or tokens. Stored once a second: a process that is killed loses its last second.',
  })
  async list(
    @Param('id', IdPipe) id: bigint,
    @Query() { limit, cursor, method, outcome, from, to }: RequestsQuery,
    @CalledBy() caller: Caller,
  ): Promise<RequestPage> {
    if (!canAccess(caller, id) || !(await this.portals.findById(id))) throw notFound('No portal', id);
    const filter = {
      method,
      outcome,
      from: from === undefined ? undefined : new Date(from),
      to: to === undefined ? undefined : new Date(to),
      before: decodePlace(cursor),
    };
    const rows = await this.requests.list(id, filter, limit + 1);
    return pageOf(rows, limit, requestItem, ({ at, id: last }) => encodePlace(at, last));
  }
}

function requestItem({ portalId: _of, ...request }: StoredRestRequest): RequestItem {
  return { ...request, id: request.id.toString() };
}
