import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsOptional, IsString, Matches, MaxLength, ValidateIf } from 'class-validator';
import { PORTAL_HOST } from '../../config/environment.js';
import { IsLineId } from '../admin.dto.js';
import { ApiCount, PageOf } from '../page.dto.js';

const trimmed = () => Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value));

const CLIENT_ID = { type: String, example: 'local.6746a1c0b2f3d4.01234567' };
const CLIENT_SECRET = {
  type: String,
  example: 'as-the-card-of-the-application-shows-it',
  description: 'As the card of the application shows it.',
};
const NAME = { type: String, maxLength: 100, example: 'Acme' };
const DOMAIN = {
  type: String,
  nullable: true,
  example: 'acme.bitrix24.com',
  description:
    'The portal of a local application; a scheme and a port may be given for a self-hosted one. null: an application of the Market, which any cloud portal may install.',
};
const LINE = {
  type: String,
  nullable: true,
  example: '1',
  description: 'The open line that an installation connects.',
};

const CA_CERTIFICATES = {
  type: String,
  nullable: true,
  maxLength: 200_000,
  example: '-----BEGIN CERTIFICATE-----…-----END CERTIFICATE-----',
  description:
    'Certificates (PEM) of authorities that are believed at this portal beside those that everybody knows: of a company’s own authority, or the self-signed one of the box. null: no others.',
};

const IsClientId = () =>
  applyDecorators(
    trimmed(),
    Matches(/^[\x21-\x7E]{1,200}$/, { message: 'clientId must be the client_id of the application, without spaces' }),
  );
const IsClientSecret = () =>
  applyDecorators(
    trimmed(),
    Matches(/^[\x21-\x7E]{1,500}$/, {
      message: 'clientSecret must be the client_secret of the application, without spaces',
    }),
  );
const IsName = () =>
  applyDecorators(
    trimmed(),
    Matches(/^[^\p{Cc}]{1,100}$/u, { message: 'name must be 1 to 100 characters on one line' }),
  );
const IsDomain = () =>
  applyDecorators(
    trimmed(),
    IsOptional(),
    Matches(PORTAL_HOST, { message: 'domain must be the host of a portal, such as acme.bitrix24.com, or null' }),
  );
const AreCertificates = () =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' && value.trim() === '' ? null : value)),
    IsOptional(),
    IsString({ message: 'caCertificates must be certificates in PEM, or null' }),
    MaxLength(CA_CERTIFICATES.maxLength, { message: 'caCertificates must not be longer than 200000 characters' }),
  );
/** Left out, not null. */
const IfGiven = () => ValidateIf((_body: unknown, value: unknown) => value !== undefined);

/** An application of Bitrix24 whose portals are to be served. */
export class NewApplicationBody {
  @ApiProperty(CLIENT_ID)
  @IsClientId()
  clientId: string;

  @ApiProperty(CLIENT_SECRET)
  @IsClientSecret()
  clientSecret: string;

  /** Default: the domain. */
  @ApiPropertyOptional(NAME)
  @IfGiven()
  @IsName()
  name?: string;

  @ApiPropertyOptional(DOMAIN)
  @IsDomain()
  domain?: string | null;

  @ApiPropertyOptional(LINE)
  @IsOptional()
  @IsLineId()
  lineId?: string | null;

  @ApiPropertyOptional(CA_CERTIFICATES)
  @AreCertificates()
  caCertificates?: string | null;
}

/** What is to change about an application; what is left out stays. */
export class ApplicationChangeBody {
  @ApiPropertyOptional(CLIENT_SECRET)
  @IfGiven()
  @IsClientSecret()
  clientSecret?: string;

  @ApiPropertyOptional(NAME)
  @IfGiven()
  @IsName()
  name?: string;

  @ApiPropertyOptional(DOMAIN)
  @IsDomain()
  domain?: string | null;

  @ApiPropertyOptional(LINE)
  @IsOptional()
  @IsLineId()
  lineId?: string | null;

  @ApiPropertyOptional(CA_CERTIFICATES)
  @AreCertificates()
  caCertificates?: string | null;
}

/** An application; its secret is never shown. */
export class ApplicationItem {
  /** Null: the application of B24_CLIENT_ID, which is changed in the environment. */
  id: string | null;
  clientId: string;
  name: string;

  /** Host of its one portal; null: any cloud portal may install it. */
  domain: string | null;
  connectorId: string;
  lineId: string | null;

  @ApiProperty(CA_CERTIFICATES)
  caCertificates: string | null;
  source: 'environment' | 'stored';

  /** Portals that use it and are not uninstalled. */
  @ApiCount()
  portals: number;

  /** Where an administrator of the portal begins the authorisation; null: it is installed inside the portal. */
  installUrl: string | null;

  /** What goes into the application's card in Bitrix24: its handler path and its initial installation path. */
  handlerPath: string | null;
  installPath: string | null;
  createdAt: Date | null;
}

export class ApplicationPage extends PageOf(ApplicationItem) {}
