import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../../src/storage/prisma/client.js';

/** Prisma's own client on a database: what it reads and writes is what the schema says. To be disconnected. */
export const prismaAt = (connectionString: string) => new PrismaClient({ adapter: new PrismaPg({ connectionString }) });
