import { Injectable } from '@nestjs/common';
import { ApplicationsService } from '../bitrix/applications.service.js';
import { bitrixError } from '../bitrix/rest-errors.js';
import type { OperatorFile, OperatorSource } from '../relay/operator-side.js';
import { PortalsRepository } from '../storage/portals.repository.js';
import { openPortalFile } from './portal-download.js';

/** Files that operators sent, fetched from their portal. The links are public and signed: whoever logs one shares it. */
@Injectable()
export class OperatorFilesClient {
  constructor(
    private readonly portals: PortalsRepository,
    private readonly applications: ApplicationsService,
  ) {}

  /** See {@link OperatorSource.openFile} and {@link openPortalFile}. */
  async open(...[portalId, address, options]: Parameters<OperatorSource['openFile']>): Promise<OperatorFile> {
    const portal = await this.portals.findById(portalId);
    if (!portal || portal.state === 'uninstalled') {
      throw bitrixError('refused', 'file_gone', 'The portal is no longer connected.', 'message');
    }
    const rules = await this.applications.hostRules(portal.clientId);
    return openPortalFile({ address, origin: new URL(portal.clientEndpoint).origin, rules, ...options });
  }
}
