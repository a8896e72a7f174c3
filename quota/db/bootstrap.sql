-- SPDX-License-Identifier: Apache-2.0
-- Run once by an administrator of the server, before the migrations: the database, its owner, and the
-- four accounts. The values stand in @database, @host and @…_password, set beforehand.

EXECUTE IMMEDIATE CONCAT('CREATE DATABASE `', @database,
                         '` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin');

EXECUTE IMMEDIATE CONCAT('CREATE OR REPLACE USER ', QUOTE(CONCAT(@database, '_owner')), '@', QUOTE(@host),
                         ' IDENTIFIED BY ', QUOTE(@owner_password));
EXECUTE IMMEDIATE CONCAT('GRANT ALL ON `', @database, '`.* TO ', QUOTE(CONCAT(@database, '_owner')), '@',
                         QUOTE(@host), ' WITH GRANT OPTION');

EXECUTE IMMEDIATE CONCAT('CREATE OR REPLACE USER ', QUOTE(CONCAT(@database, '_portal')), '@', QUOTE(@host),
                         ' IDENTIFIED BY ', QUOTE(@portal_password));
EXECUTE IMMEDIATE CONCAT('CREATE OR REPLACE USER ', QUOTE(CONCAT(@database, '_runner')), '@', QUOTE(@host),
                         ' IDENTIFIED BY ', QUOTE(@runner_password));
EXECUTE IMMEDIATE CONCAT('CREATE OR REPLACE USER ', QUOTE(CONCAT(@database, '_admin')), '@', QUOTE(@host),
                         ' IDENTIFIED BY ', QUOTE(@admin_password));
EXECUTE IMMEDIATE CONCAT('CREATE OR REPLACE USER ', QUOTE(CONCAT(@database, '_report')), '@', QUOTE(@host),
                         ' IDENTIFIED BY ', QUOTE(@report_password));
