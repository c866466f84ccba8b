-- AlterEnum
ALTER TYPE "RecipientState" ADD VALUE 'too_long';
