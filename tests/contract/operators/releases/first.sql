-- What the first release left behind of a model of the weekly table: made by its own code, with few of the predictions.
CREATE TABLE {schema}.SNOWMAKER_BASELINES (
  MODEL_NAME VARCHAR NOT NULL,
  MODEL_VERSION VARCHAR NOT NULL,
  FEATURE VARCHAR NOT NULL,
  BINS VARCHAR NOT NULL,
  COUNTS VARCHAR NOT NULL,
  SOURCE_TABLE VARCHAR NOT NULL,
  RUN_ID VARCHAR NOT NULL,
  WRITTEN_AT TIMESTAMP_NTZ NOT NULL
);
INSERT INTO {schema}.SNOWMAKER_BASELINES (MODEL_NAME, MODEL_VERSION, FEATURE, BINS, COUNTS, SOURCE_TABLE, RUN_ID, WRITTEN_AT) VALUES
('{model}', 'GOOD', 'COUNTY', '{"categories": ["100% County", "None", "St. Mary''s", "the \\"Old\\" Town", "Ü-\\\\Land %s"]}', '[37, 28, 49, 32, 28, 0, 26]', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:10:35.997638'),
('{model}', 'GOOD', 'INCOME', '{"edges": [25.144000000000002, 29.7, 33.757999999999996, 36.518, 39.35, 42.842000000000006, 45.664, 50.148, 55.64200000000001]}', '[18, 18, 18, 18, 18, 17, 18, 18, 18, 18, 21]', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:10:35.997638'),
('{model}', 'GOOD', 'MEMBER', '{"edges": [0.0, 1.0]}', '[88, 86, 0, 26]', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:10:35.997638'),
('{model}', 'GOOD', 'debt ratio', '{"edges": [0.119507509152813, 0.20594232656007325, 0.3295565351728636, 0.41080508613653016, 0.5194973693385991, 0.606408279549922, 0.7196708416432932, 0.8211779333499847, 0.939189182276937]}', '[20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 0]', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:10:35.997638'),
('{model}', 'GOOD', 'loan % type', '{"categories": ["a, b", "fixed 50%", "it''s"]}', '[35, 73, 66, 0, 26]', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:10:35.997638'),
('{model}', 'GOOD', 'score', '{"edges": [0.017677208222448823, 0.041493773460388204, 0.10747505053877829, 0.22823397517204286, 0.37842752039432526, 0.6877947092056274, 0.8575407862663269, 0.9383553266525269, 0.9639134526252746]}', '[20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 0]', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:10:35.997638'),
('{model}', 'WEAK', 'COUNTY', '{"categories": ["100% County", "None", "St. Mary''s", "the \\"Old\\" Town", "Ü-\\\\Land %s"]}', '[37, 28, 49, 32, 28, 0, 26]', '{schema}."Weekly applications"', 'retrain_loans/manual__1', '2026-11-21 17:10:28.376703'),
('{model}', 'WEAK', 'INCOME', '{"edges": [25.144000000000002, 29.7, 33.757999999999996, 36.518, 39.35, 42.842000000000006, 45.664, 50.148, 55.64200000000001]}', '[18, 18, 18, 18, 18, 17, 18, 18, 18, 18, 21]', '{schema}."Weekly applications"', 'retrain_loans/manual__1', '2026-11-21 17:10:28.376703'),
('{model}', 'WEAK', 'MEMBER', '{"edges": [0.0, 1.0]}', '[88, 86, 0, 26]', '{schema}."Weekly applications"', 'retrain_loans/manual__1', '2026-11-21 17:10:28.376703'),
('{model}', 'WEAK', 'debt ratio', '{"edges": [0.119507509152813, 0.20594232656007325, 0.3295565351728636, 0.41080508613653016, 0.5194973693385991, 0.606408279549922, 0.7196708416432932, 0.8211779333499847, 0.939189182276937]}', '[20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 0]', '{schema}."Weekly applications"', 'retrain_loans/manual__1', '2026-11-21 17:10:28.376703'),
('{model}', 'WEAK', 'loan % type', '{"categories": ["a, b", "fixed 50%", "it''s"]}', '[35, 73, 66, 0, 26]', '{schema}."Weekly applications"', 'retrain_loans/manual__1', '2026-11-21 17:10:28.376703'),
('{model}', 'WEAK', 'score', '{"edges": [0.4179222881793976, 0.5670174360275269]}', '[114, 86, 0, 0]', '{schema}."Weekly applications"', 'retrain_loans/manual__1', '2026-11-21 17:10:28.376703');
CREATE TABLE {schema}.SNOWMAKER_DRIFT (
  WEEK_START DATE NOT NULL,
  MODEL_NAME VARCHAR NOT NULL,
  MODEL_VERSION VARCHAR NOT NULL,
  FEATURE VARCHAR NOT NULL,
  METRIC VARCHAR NOT NULL,
  VALUE FLOAT NOT NULL,
  VERDICT VARCHAR NOT NULL,
  ROW_COUNT NUMBER NOT NULL,
  RUN_ID VARCHAR NOT NULL,
  WRITTEN_AT TIMESTAMP_NTZ NOT NULL
);
INSERT INTO {schema}.SNOWMAKER_DRIFT (WEEK_START, MODEL_NAME, MODEL_VERSION, FEATURE, METRIC, VALUE, VERDICT, ROW_COUNT, RUN_ID, WRITTEN_AT) VALUES
('2026-02-09', '{model}', 'WEAK', 'COUNTY', 'psi', 0.0, 'ok', 200, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:10:34.670989'),
('2026-02-09', '{model}', 'WEAK', 'INCOME', 'psi', 0.0, 'ok', 200, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:10:34.670989'),
('2026-02-09', '{model}', 'WEAK', 'MEMBER', 'psi', 0.0, 'ok', 200, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:10:34.670989'),
('2026-02-09', '{model}', 'WEAK', 'debt ratio', 'psi', 0.0, 'ok', 200, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:10:34.670989'),
('2026-02-09', '{model}', 'WEAK', 'loan % type', 'psi', 0.0, 'ok', 200, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:10:34.670989'),
('2026-02-09', '{model}', 'WEAK', 'score', 'psi', 0.0, 'ok', 200, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:10:34.670989'),
('2026-02-16', '{model}', 'GOOD', 'COUNTY', 'psi', 0.549925561786866, 'breach', 200, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:10:51.135681'),
('2026-02-16', '{model}', 'GOOD', 'INCOME', 'psi', 4.8352934730278045, 'breach', 200, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:10:51.135681'),
('2026-02-16', '{model}', 'GOOD', 'MEMBER', 'psi', 0.021421584236437207, 'ok', 200, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:10:51.135681'),
('2026-02-16', '{model}', 'GOOD', 'debt ratio', 'psi', 0.11267819067871776, 'warn', 200, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:10:51.135681'),
('2026-02-16', '{model}', 'GOOD', 'loan % type', 'psi', 0.030482879632200394, 'ok', 200, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:10:51.135681'),
('2026-02-16', '{model}', 'GOOD', 'score', 'psi', 2.592904714464807, 'breach', 200, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:10:51.135681'),
('2026-02-23', '{model}', 'GOOD', 'COUNTY', 'psi', 1.0862934593187104, 'breach', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:51.913929'),
('2026-02-23', '{model}', 'GOOD', 'INCOME', 'psi', 4.541848104553255, 'breach', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:51.913929'),
('2026-02-23', '{model}', 'GOOD', 'MEMBER', 'psi', 0.013057750760062109, 'ok', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:51.913929'),
('2026-02-23', '{model}', 'GOOD', 'debt ratio', 'psi', 0.035994291570490944, 'ok', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:51.913929'),
('2026-02-23', '{model}', 'GOOD', 'loan % type', 'psi', 0.03472480128210511, 'ok', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:51.913929'),
('2026-02-23', '{model}', 'GOOD', 'score', 'psi', 1.8453472442930536, 'breach', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:51.913929');
CREATE TABLE {schema}.SNOWMAKER_PERFORMANCE (
  WEEK_START DATE NOT NULL,
  MODEL_NAME VARCHAR NOT NULL,
  MODEL_VERSION VARCHAR NOT NULL,
  METRIC VARCHAR NOT NULL,
  VALUE FLOAT,
  VERDICT VARCHAR NOT NULL,
  ROW_COUNT NUMBER NOT NULL,
  RUN_ID VARCHAR NOT NULL,
  WRITTEN_AT TIMESTAMP_NTZ NOT NULL
);
INSERT INTO {schema}.SNOWMAKER_PERFORMANCE (WEEK_START, MODEL_NAME, MODEL_VERSION, METRIC, VALUE, VERDICT, ROW_COUNT, RUN_ID, WRITTEN_AT) VALUES
('2026-02-09', '{model}', 'WEAK', 'accuracy', 0.755, 'ok', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:53.966812'),
('2026-02-09', '{model}', 'WEAK', 'f1', 0.73224043715847, 'ok', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:53.966812'),
('2026-02-09', '{model}', 'WEAK', 'precision', 0.7790697674418605, 'ok', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:53.966812'),
('2026-02-09', '{model}', 'WEAK', 'recall', 0.6907216494845361, 'ok', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:53.966812'),
('2026-02-09', '{model}', 'WEAK', 'roc_auc', 0.7531278150335302, 'ok', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:53.966812');
CREATE TABLE {schema}.SNOWMAKER_MODEL_EVENTS (
  EVENT_ID VARCHAR NOT NULL,
  EVENT VARCHAR NOT NULL,
  MODEL_NAME VARCHAR NOT NULL,
  MODEL_VERSION VARCHAR NOT NULL,
  PREVIOUS_VERSION VARCHAR,
  WEEK_START DATE NOT NULL,
  REASON VARCHAR,
  GATE VARCHAR,
  RUN_ID VARCHAR NOT NULL,
  WRITTEN_AT TIMESTAMP_NTZ NOT NULL
);
INSERT INTO {schema}.SNOWMAKER_MODEL_EVENTS (EVENT_ID, EVENT, MODEL_NAME, MODEL_VERSION, PREVIOUS_VERSION, WEEK_START, REASON, GATE, RUN_ID, WRITTEN_AT) VALUES
('08a4e37e7602742aa359b0e667c19b45', 'REJECTED', '{model}', 'WEAK', 'GOOD', '2026-02-16', NULL, '{"challenger": "WEAK", "champion": "GOOD", "rows": 200, "rules": [{"rule": "f1", "value": 0.73224043715847, "bound": 0.99, "passed": false}, {"rule": "f1 gain", "value": -0.11432040940237653, "bound": 0.0, "passed": false}], "metrics": {"GOOD": {"accuracy": 0.855, "precision": 0.8695652173913043, "recall": 0.8247422680412371, "f1": 0.8465608465608465, "roc_auc": 0.9365929336402763}, "WEAK": {"accuracy": 0.755, "precision": 0.7790697674418605, "recall": 0.6907216494845361, "f1": 0.73224043715847, "roc_auc": 0.7531278150335302}}, "passed": false}', 'retrain_loans/manual__3', '2026-11-21 17:10:37.998917'),
('a84d94db44c600a2efe5a4c455fa315f', 'PROMOTED', '{model}', 'GOOD', 'WEAK', '2026-02-09', NULL, '{"challenger": "GOOD", "champion": "WEAK", "rows": 200, "rules": [{"rule": "f1", "value": 0.8465608465608465, "bound": 0.5, "passed": true}, {"rule": "f1 gain", "value": 0.11432040940237653, "bound": 0.0, "passed": true}], "metrics": {"GOOD": {"accuracy": 0.855, "precision": 0.8695652173913043, "recall": 0.8247422680412371, "f1": 0.8465608465608465, "roc_auc": 0.9365929336402763}, "WEAK": {"accuracy": 0.755, "precision": 0.7790697674418605, "recall": 0.6907216494845361, "f1": 0.73224043715847, "roc_auc": 0.7531278150335302}}, "passed": true}', 'retrain_loans/asset_triggered__2', '2026-11-21 17:10:37.250921'),
('cfd01689c27cf09e9b598c2f165d59dc', 'PROMOTED', '{model}', 'WEAK', NULL, '2026-01-26', NULL, '{"challenger": "WEAK", "champion": null, "rows": 200, "rules": [{"rule": "f1", "value": 0.73224043715847, "bound": 0.5, "passed": true}], "metrics": {"WEAK": {"accuracy": 0.755, "precision": 0.7790697674418605, "recall": 0.6907216494845361, "f1": 0.73224043715847, "roc_auc": 0.7531278150335302}}, "passed": true}', 'retrain_loans/manual__1', '2026-11-21 17:10:29.249504');
CREATE TABLE {schema}.SNOWMAKER_LOCKS (
  NAME VARCHAR NOT NULL,
  HOLDER VARCHAR,
  EXPIRES_AT TIMESTAMP_NTZ
);
INSERT INTO {schema}.SNOWMAKER_LOCKS (NAME, HOLDER, EXPIRES_AT) VALUES
('{schema}."LOAN_PREDICTIONS"', 'score_loans/scheduled__2026-03-02T06:00:00', NULL),
('{schema}."SNOWMAKER_BASELINES" {model}', 'retrain_loans/asset_triggered__2', NULL),
('{schema}."SNOWMAKER_DRIFT" {model}', 'score_loans/scheduled__2026-03-02T06:00:00', NULL),
('{schema}."SNOWMAKER_PERFORMANCE" {model}', 'score_loans/scheduled__2026-03-02T06:00:00', NULL),
('promotion {model}', NULL, NULL);
CREATE TABLE {schema}.LOAN_PREDICTIONS (
  WEEK_START DATE,
  ROW_ID VARCHAR,
  LOAN_ID VARCHAR,
  MODEL_NAME VARCHAR,
  MODEL_VERSION VARCHAR,
  SCORE FLOAT,
  PREDICTION NUMBER,
  RUN_ID VARCHAR,
  SCORED_AT TIMESTAMP_NTZ(9)
);
INSERT INTO {schema}.LOAN_PREDICTIONS (WEEK_START, ROW_ID, LOAN_ID, MODEL_NAME, MODEL_VERSION, SCORE, PREDICTION, RUN_ID, SCORED_AT) VALUES
('2026-02-09', '05c3da2b5b8ec78f84502a32b6de6abd-1', '4-7', '{model}', 'WEAK', 0.5670174360275269, 1, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:10:33.998665'),
('2026-02-09', '0663d3bc20dbfe0f70379e080faa3e0e-1', '4-22', '{model}', 'WEAK', 0.5670174360275269, 1, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:10:33.998665'),
('2026-02-09', '0683b0d9298b276cadf914c11d628e55-1', '4-12', '{model}', 'WEAK', 0.5670174360275269, 1, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:10:33.998665'),
('2026-02-16', '02920a89393055f969b23094540a760e-1', '6-8', '{model}', 'GOOD', 0.9554981589317322, 1, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:10:44.353125'),
('2026-02-16', '02bf524f37d0babddbe26a93cbec9656-1', '6-42', '{model}', 'GOOD', 0.9477779269218445, 1, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:10:44.353125'),
('2026-02-16', '0302e707507d9c570f4bf9309bae0c0d-1', '6-72', '{model}', 'GOOD', 0.33148232102394104, 0, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:10:44.353125'),
('2026-02-23', '00fdf1915b1a7141a75889ec50f9ca3d-1', '7-27', '{model}', 'GOOD', 0.43868011236190796, 0, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:50.477494'),
('2026-02-23', '0176a0675fe98584ff55adc4b8eba6da-1', '7-96', '{model}', 'GOOD', 0.8331558704376221, 1, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:50.477494'),
('2026-02-23', '0195d383cc9679e1e6d872379002d919-1', '7-1', '{model}', 'GOOD', 0.9364478588104248, 1, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:10:50.477494');
