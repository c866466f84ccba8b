import { BitrixConnections } from '../../src/bitrix/bitrix-connections.js';
import { CertificateAuthorities } from '../../src/bitrix/certificate-authorities.js';
import { readEnvironment } from '../../src/config/environment.js';
import type { ApplicationsRepository } from '../../src/storage/accounts/applications.repository.js';

/** Connections to Bitrix24 without a database: no application has authorities of its own. */
export function bitrixConnections(variables: Record<string, string> = {}): BitrixConnections {
  const environment = readEnvironment(variables);
  const applications = { caCertificates: async () => new Map() } as Partial<ApplicationsRepository>;
  return new BitrixConnections(
    environment,
    new CertificateAuthorities(environment, applications as ApplicationsRepository),
  );
}
