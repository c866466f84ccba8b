import { applyDecorators, Controller, UseGuards, UseInterceptors } from '@nestjs/common';
import { ApiBearerAuth, ApiForbiddenResponse, ApiTags, ApiUnauthorizedResponse } from '@nestjs/swagger';
import { AdminGuard } from './admin.guard.js';
import { AuditInterceptor } from './audit.interceptor.js';

/** A controller of the admin API: behind the key and what it allows, its changes audited. */
export const AdminController = (path: string) =>
  applyDecorators(
    Controller(`admin/${path}`),
    UseGuards(AdminGuard),
    UseInterceptors(AuditInterceptor),
    ApiTags('admin'),
    ApiBearerAuth('admin'),
    ApiUnauthorizedResponse({
      description: 'The key is missing, wrong, revoked or expired (application/problem+json).',
    }),
    ApiForbiddenResponse({
      description: 'The role of the key, or its limit to one portal, does not allow this (application/problem+json).',
    }),
  );
