-- The platform's tables, for warehouses. Types are those that a Fabric warehouse knows (no nvarchar, no enforced keys).
-- May be run again: what is there stays.
IF OBJECT_ID(N'dbo.tenant', N'U') IS NULL CREATE TABLE dbo.tenant (organization_id varchar(36) NOT NULL);
IF OBJECT_ID(N'dbo.learners', N'U') IS NULL CREATE TABLE dbo.learners (
  id varchar(64) NOT NULL, full_name varchar(400), email varchar(320), started_on date
);
IF OBJECT_ID(N'dbo.courses', N'U') IS NULL CREATE TABLE dbo.courses (
  id varchar(64) NOT NULL, title varchar(400), level varchar(50)
);
IF OBJECT_ID(N'dbo.enrolments', N'U') IS NULL CREATE TABLE dbo.enrolments (
  id varchar(64) NOT NULL, learner_id varchar(64), course_id varchar(64), status varchar(50), enrolled_on date
);
IF OBJECT_ID(N'dbo.assessments', N'U') IS NULL CREATE TABLE dbo.assessments (
  id varchar(64) NOT NULL, enrolment_id varchar(64), subject varchar(200), score decimal(9, 2), taken_on date
);
IF OBJECT_ID(N'dbo.attendance', N'U') IS NULL CREATE TABLE dbo.attendance (
  id varchar(64) NOT NULL, enrolment_id varchar(64), session_on date, minutes int
);
