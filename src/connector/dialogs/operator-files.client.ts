import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { ApplicationsService } from '../../bitrix/applications.service.js';
import { BitrixConnections } from '../../bitrix/bitrix-connections.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { bitrixError, bitrixProblem } from '../../bitrix/bitrix-problems.js';
import { fieldsOf } from '../../bitrix/php-values.reader.js';
import { parseKeptFileAddress, parseDiskAddress } from '../../common/external-ids.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { OperatorFile, OperatorDownloads } from '../../relay/operator-directory.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { KeptFilesRepository } from '../../storage/crm/kept-files.repository.js';
import { openPortalFile } from './portal-download.js';

const DISK_METHOD = 'disk.file.get';
/** `insufficient_scope` and its kin: the application was not given the scope. */
const NO_SCOPE = /SCOPE$/i;

/**
 * Files that operators sent, fetched from their portal: the links are public and signed, so whoever logs one shares it.
 * Those of ready answers and broadcasts are kept here.
 */
@Injectable()
export class OperatorFilesClient implements OperatorDownloads {
  constructor(
    private readonly portals: PortalsRepository,
    private readonly applications: ApplicationsService,
    private readonly rest: RestClient,
    private readonly connections: BitrixConnections,
    private readonly keptFiles: KeptFilesRepository,
  ) {}

  /**
   * See {@link OperatorDownloads.open} and {@link openPortalFile}. A file of which no event brought a link is asked for
   * by its id, anew each time: the link that REST gives carries a token. `refused` then also as `file_needs_disk`.
   */
  async open(...[portalId, address, options]: Parameters<OperatorDownloads['open']>): Promise<OperatorFile> {
    const keptFile = parseKeptFileAddress(address);
    if (keptFile !== null) return this.openKeptFile(portalId, keptFile, options.maxBytes);
    const portal = await this.portals.findById(portalId);
    if (!portal || portal.state === 'uninstalled') {
      throw bitrixProblem('file_gone', 'The portal is no longer connected.');
    }
    const rules = await this.applications.hostRules(portal.clientId);
    const fileId = parseDiskAddress(address);
    const link = fileId === null ? address : await this.linkOf(portalId, fileId);
    return openPortalFile({
      address: link,
      origin: new URL(portal.clientEndpoint).origin,
      rules,
      connector: (url, lookup) => this.connections.connector(url, portal.clientId, lookup),
      ...options,
    });
  }

  private async openKeptFile(portalId: bigint, id: bigint, maxBytes: number): Promise<OperatorFile> {
    const file = await this.keptFiles.open(portalId, id);
    if (!file) throw bitrixProblem('file_gone', 'The file was deleted here.');
    if (file.size > maxBytes) throw bitrixProblem('file_too_large', 'The file is larger than it may be.');
    return { stream: Readable.from(partsOf(file.content)), name: file.name, mime: file.mime, size: file.size };
  }

  private async linkOf(portalId: bigint, fileId: string): Promise<string> {
    try {
      const { result } = await this.rest.call<unknown>(portalId, DISK_METHOD, { id: fileId });
      const link = fieldsOf(result)?.DOWNLOAD_URL;
      if (typeof link === 'string') return link;
      throw bitrixProblem('file_gone', 'The portal names no link to the file.');
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (NO_SCOPE.test(error.code)) {
        throw bitrixProblem('file_needs_disk', `${DISK_METHOD} needs the scope disk.`);
      }
      if (error.kind !== 'refused' || error.code === 'file_gone') throw error;
      const code = /ACCESS/i.test(error.code) ? 'file_forbidden' : 'file_gone';
      throw bitrixProblem(code, `${DISK_METHOD}: ${error.code}`);
    }
  }
}

/** Whatever keeps them from being read now, the next try may find them, or that they are gone. */
async function* partsOf(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* content;
  } catch (error) {
    throw bitrixError('not_sent', 'file_unread', `The file could not be read: ${String(error)}`, 'message');
  }
}
