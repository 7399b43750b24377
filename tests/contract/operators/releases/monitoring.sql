-- What the release that monitors left behind of a model of the weekly table: made by its own code, with few of the rows.
CREATE TABLE {schema}.SNOWMAKER_BASELINES (
  MODEL_NAME VARCHAR NOT NULL,
  MODEL_VERSION VARCHAR NOT NULL,
  SEGMENT VARCHAR NOT NULL,
  FEATURE VARCHAR NOT NULL,
  PROFILE VARCHAR NOT NULL,
  SOURCE_TABLE VARCHAR NOT NULL,
  RUN_ID VARCHAR NOT NULL,
  WRITTEN_AT TIMESTAMP_NTZ NOT NULL
);
INSERT INTO {schema}.SNOWMAKER_BASELINES (MODEL_NAME, MODEL_VERSION, SEGMENT, FEATURE, PROFILE, SOURCE_TABLE, RUN_ID, WRITTEN_AT) VALUES
('{model}', 'GOOD', '', 'COUNTY', '{"bins":{"kind":"categorical","categories":["100% County","None","St. Mary''s","the \\"Old\\" Town","Ü-\\\\Land %s"]},"counts":[37,28,49,32,28,0,26],"mean":null,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:11:33.302561'),
('{model}', 'GOOD', '', 'INCOME', '{"bins":{"kind":"numeric","edges":[25.144000000000002,29.7,33.757999999999996,36.518,39.35,42.842000000000006,45.664,50.148,55.64200000000001]},"counts":[18,18,18,18,18,17,18,18,18,18,21],"mean":39.6703910615,"stddev":12.2292248809,"not_finite":0,"bin_means":[18.2005555556,26.9727777778,31.6216666667,35.1644444444,38.0383333333,41.3394117647,44.1133333333,47.4838888889,52.7427777778,61.1194444444],"weeks":1}', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:11:33.302561'),
('{model}', 'GOOD', '', 'MEMBER', '{"bins":{"kind":"boolean","categories":["false","true"]},"counts":[88,86,0,26],"mean":null,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:11:33.302561'),
('{model}', 'GOOD', '', 'calibration', '{"edges": [0.00902148149907589, 0.2080393135547638, 0.24924607574939728, 0.568481981754303, 0.720878541469574, 0.8732891082763672, 0.9383392333984375], "rates": [0.0, 0.041666666666666664, 0.25, 0.4642857142857143, 0.5, 0.9, 0.9375, 1.0]}', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:11:31.899476'),
('{model}', 'GOOD', '', 'debt ratio', '{"bins":{"kind":"numeric","edges":[0.119507509152813,0.20594232656007325,0.3295565351728636,0.41080508613653016,0.5194973693385991,0.606408279549922,0.7196708416432932,0.8211779333499847,0.939189182276937]},"counts":[20,20,20,20,20,20,20,20,20,20,0],"mean":0.515920440558,"stddev":0.294418233365,"not_finite":0,"bin_means":[0.0630142967152,0.154610915071,0.251278671302,0.365200748361,0.474716340014,0.560162055519,0.66939145061,0.779923253759,0.869917882612,0.970988791621],"weeks":1}', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:11:33.302561'),
('{model}', 'GOOD', '', 'label', '{"bins":{"kind":"categorical","categories":["0","1"]},"counts":[103,97,0,0],"mean":null,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:11:33.302561'),
('{model}', 'GOOD', '', 'loan % type', '{"bins":{"kind":"categorical","categories":["a, b","fixed 50%","it''s"]},"counts":[35,73,66,0,26],"mean":null,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:11:33.302561'),
('{model}', 'GOOD', '', 'rows', '{"bins":{"kind":"rows","edges":[]},"counts":[200,0],"mean":null,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:11:33.302561'),
('{model}', 'GOOD', '', 'score', '{"bins":{"kind":"numeric","edges":[0.017677208222448823,0.041493773460388204,0.10747505053877829,0.22823397517204286,0.37842752039432526,0.6877947092056274,0.8575407862663269,0.9383553266525269,0.9639134526252746]},"counts":[20,20,20,20,20,20,20,20,20,20,0],"mean":0.471238347944,"stddev":0.384118270584,"not_finite":0,"bin_means":[0.0125401739031,0.0241692665964,0.0694530898705,0.163136185333,0.308230463415,0.533664284647,0.769839978218,0.903380957246,0.950348335505,0.977620744705],"weeks":1}', '{schema}."Weekly applications"', 'retrain_loans/asset_triggered__2', '2026-11-21 17:11:33.302561');
CREATE TABLE {schema}.SNOWMAKER_PROFILES (
  WEEK_START DATE NOT NULL,
  MODEL_NAME VARCHAR NOT NULL,
  MODEL_VERSION VARCHAR NOT NULL,
  SEGMENT VARCHAR NOT NULL,
  FEATURE VARCHAR NOT NULL,
  PROFILE VARCHAR NOT NULL,
  ROW_COUNT NUMBER NOT NULL,
  RUN_ID VARCHAR NOT NULL,
  WRITTEN_AT TIMESTAMP_NTZ NOT NULL
);
INSERT INTO {schema}.SNOWMAKER_PROFILES (WEEK_START, MODEL_NAME, MODEL_VERSION, SEGMENT, FEATURE, PROFILE, ROW_COUNT, RUN_ID, WRITTEN_AT) VALUES
('2026-02-23', '{model}', 'GOOD', '', 'COUNTY', '{"bins":{"kind":"categorical","categories":["100% County","None","St. Mary''s","the \\"Old\\" Town","Ü-\\\\Land %s"]},"counts":[38,20,52,30,17,28,15],"mean":null,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'INCOME', '{"bins":{"kind":"numeric","edges":[25.144000000000002,29.7,33.757999999999996,36.518,39.35,42.842000000000006,45.664,50.148,55.64200000000001]},"counts":[0,0,0,1,1,1,2,3,15,166,11],"mean":69.3149206349,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'MEMBER', '{"bins":{"kind":"boolean","categories":["false","true"]},"counts":[89,92,0,19],"mean":null,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'debt ratio', '{"bins":{"kind":"numeric","edges":[0.119507509152813,0.20594232656007325,0.3295565351728636,0.41080508613653016,0.5194973693385991,0.606408279549922,0.7196708416432932,0.8211779333499847,0.939189182276937]},"counts":[26,24,24,19,20,21,17,20,14,15,0],"mean":0.471331801413,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'loan % type', '{"bins":{"kind":"categorical","categories":["a, b","fixed 50%","it''s"]},"counts":[50,68,60,0,22],"mean":null,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'rows', '{"bins":{"kind":"rows","edges":[]},"counts":[200,0],"mean":null,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'score', '{"bins":{"kind":"numeric","edges":[0.017677208222448823,0.041493773460388204,0.10747505053877829,0.22823397517204286,0.37842752039432526,0.6877947092056274,0.8575407862663269,0.9383553266525269,0.9639134526252746]},"counts":[0,2,6,3,2,17,27,21,46,76,0],"mean":0.844833657071,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}', 200, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574');
CREATE TABLE {schema}.SNOWMAKER_DRIFT (
  WEEK_START DATE NOT NULL,
  MODEL_NAME VARCHAR NOT NULL,
  MODEL_VERSION VARCHAR NOT NULL,
  SEGMENT VARCHAR NOT NULL,
  FEATURE VARCHAR NOT NULL,
  METRIC VARCHAR NOT NULL,
  VALUE FLOAT,
  P_VALUE FLOAT,
  WARN FLOAT,
  BREACH FLOAT,
  VERDICT VARCHAR,
  ROW_COUNT NUMBER NOT NULL,
  ENGINE VARCHAR NOT NULL,
  RUN_ID VARCHAR NOT NULL,
  WRITTEN_AT TIMESTAMP_NTZ NOT NULL
);
INSERT INTO {schema}.SNOWMAKER_DRIFT (WEEK_START, MODEL_NAME, MODEL_VERSION, SEGMENT, FEATURE, METRIC, VALUE, P_VALUE, WARN, BREACH, VERDICT, ROW_COUNT, ENGINE, RUN_ID, WRITTEN_AT) VALUES
('2026-02-09', '{model}', 'WEAK', '', 'COUNTY', 'psi', 0.0, NULL, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:11:29.890800'),
('2026-02-09', '{model}', 'WEAK', '', 'INCOME', 'psi', 0.0, NULL, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:11:29.890800'),
('2026-02-09', '{model}', 'WEAK', '', 'MEMBER', 'psi', 0.0, NULL, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:11:29.890800'),
('2026-02-09', '{model}', 'WEAK', '', 'debt ratio', 'psi', 0.0, NULL, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:11:29.890800'),
('2026-02-09', '{model}', 'WEAK', '', 'label', 'psi', 0.0, NULL, NULL, NULL, NULL, 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.308856'),
('2026-02-09', '{model}', 'WEAK', '', 'loan % type', 'psi', 0.0, NULL, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:11:29.890800'),
('2026-02-09', '{model}', 'WEAK', '', 'rows', 'row_count_change', 0.0, NULL, NULL, NULL, NULL, 200, 'snowmaker', 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:11:29.890800'),
('2026-02-09', '{model}', 'WEAK', '', 'score', 'psi', 0.0, NULL, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:11:29.890800'),
('2026-02-16', '{model}', 'GOOD', '', 'COUNTY', 'psi', 0.549925561786866, 0.0006507139165849916, 0.1, 0.25, 'breach', 200, 'snowmaker', 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:11:51.011912'),
('2026-02-16', '{model}', 'GOOD', '', 'INCOME', 'psi', 4.8352934730278045, 4.0686069243736175e-56, 0.1, 0.25, 'breach', 200, 'snowmaker', 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:11:51.011912'),
('2026-02-16', '{model}', 'GOOD', '', 'MEMBER', 'psi', 0.021421584236437207, NULL, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:11:51.011912'),
('2026-02-16', '{model}', 'GOOD', '', 'debt ratio', 'psi', 0.11267819067871776, 0.3070622280387333, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:11:51.011912'),
('2026-02-16', '{model}', 'GOOD', '', 'loan % type', 'psi', 0.030482879632200394, NULL, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:11:51.011912'),
('2026-02-16', '{model}', 'GOOD', '', 'rows', 'row_count_change', 0.0, NULL, NULL, NULL, NULL, 200, 'snowmaker', 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:11:51.011912'),
('2026-02-16', '{model}', 'GOOD', '', 'score', 'psi', 2.592904714464807, 5.238280648499499e-29, 0.1, 0.25, 'breach', 200, 'snowmaker', 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:11:51.011912'),
('2026-02-23', '{model}', 'GOOD', '', 'COUNTY', 'psi', 1.0862934593187104, 3.777556788558686e-08, 0.1, 0.25, 'breach', 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'INCOME', 'psi', 4.541848104553255, 5.690960859261304e-56, 0.1, 0.25, 'breach', 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'MEMBER', 'psi', 0.013057750760062109, NULL, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'debt ratio', 'psi', 0.035994291570490944, NULL, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'loan % type', 'psi', 0.03472480128210511, NULL, 0.1, 0.25, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'rows', 'row_count_change', 0.0, NULL, NULL, NULL, NULL, 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574'),
('2026-02-23', '{model}', 'GOOD', '', 'score', 'psi', 1.8453472442930536, 5.206291292736405e-23, 0.1, 0.25, 'breach', 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:52.254574');
CREATE TABLE {schema}.SNOWMAKER_PERFORMANCE (
  WEEK_START DATE NOT NULL,
  MODEL_NAME VARCHAR NOT NULL,
  MODEL_VERSION VARCHAR NOT NULL,
  SEGMENT VARCHAR NOT NULL,
  CLASS VARCHAR NOT NULL,
  METRIC VARCHAR NOT NULL,
  VALUE FLOAT,
  REFERENCE FLOAT,
  IS_ESTIMATE BOOLEAN NOT NULL,
  VERDICT VARCHAR,
  ROW_COUNT NUMBER NOT NULL,
  ENGINE VARCHAR NOT NULL,
  RUN_ID VARCHAR NOT NULL,
  WRITTEN_AT TIMESTAMP_NTZ NOT NULL
);
INSERT INTO {schema}.SNOWMAKER_PERFORMANCE (WEEK_START, MODEL_NAME, MODEL_VERSION, SEGMENT, CLASS, METRIC, VALUE, REFERENCE, IS_ESTIMATE, VERDICT, ROW_COUNT, ENGINE, RUN_ID, WRITTEN_AT) VALUES
('2026-02-09', '{model}', 'WEAK', '', '', 'f1', 0.73224043715847, 0.73224043715847, FALSE, 'ok', 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.818616'),
('2026-02-09', '{model}', 'WEAK', '', '', 'roc_auc', 0.7531278150335302, 0.7531278150335301, FALSE, NULL, 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.818616'),
('2026-02-16', '{model}', 'GOOD', '', '', 'f1', 0.9620429328554543, 0.8465608465608465, TRUE, NULL, 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.818616'),
('2026-02-16', '{model}', 'GOOD', '', '', 'roc_auc', 0.9464433942113633, 0.9365929336402762, TRUE, NULL, 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.818616'),
('2026-02-23', '{model}', 'GOOD', '', '', 'f1', 0.956100098151892, 0.8465608465608465, TRUE, NULL, 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.818616'),
('2026-02-23', '{model}', 'GOOD', '', '', 'roc_auc', 0.9606529903529261, 0.9365929336402762, TRUE, NULL, 200, 'snowmaker', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.818616');
CREATE TABLE {schema}.SNOWMAKER_CALIBRATION (
  WEEK_START DATE NOT NULL,
  MODEL_NAME VARCHAR NOT NULL,
  MODEL_VERSION VARCHAR NOT NULL,
  BIN NUMBER NOT NULL,
  MEAN_SCORE FLOAT,
  RATE FLOAT,
  ROW_COUNT NUMBER NOT NULL,
  RUN_ID VARCHAR NOT NULL,
  WRITTEN_AT TIMESTAMP_NTZ NOT NULL
);
INSERT INTO {schema}.SNOWMAKER_CALIBRATION (WEEK_START, MODEL_NAME, MODEL_VERSION, BIN, MEAN_SCORE, RATE, ROW_COUNT, RUN_ID, WRITTEN_AT) VALUES
('2026-02-09', '{model}', 'WEAK', 4, 0.4179222881793976, 0.2631578947368421, 114, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.818616'),
('2026-02-09', '{model}', 'WEAK', 5, 0.5670174360275269, 0.7790697674418605, 86, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.818616');
CREATE TABLE {schema}.SNOWMAKER_LABELS (
  WEEK_START DATE NOT NULL,
  MODEL_NAME VARCHAR NOT NULL,
  LABELLED NUMBER NOT NULL,
  FINGERPRINT VARCHAR NOT NULL,
  RUN_ID VARCHAR NOT NULL,
  WRITTEN_AT TIMESTAMP_NTZ NOT NULL
);
INSERT INTO {schema}.SNOWMAKER_LABELS (WEEK_START, MODEL_NAME, LABELLED, FINGERPRINT, RUN_ID, WRITTEN_AT) VALUES
('2026-02-09', '{model}', 200, 'labels 1dea2ab3170663fdb32bbbbe7d120ea6fb051fab81ed80c5f3625f79524d449c', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.818616'),
('2026-02-16', '{model}', 200, 'estimate 8af47842b90a1d4c28611d713563e8f21524763ca1c8ac4bebd8b893898ac46f', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.818616'),
('2026-02-23', '{model}', 200, 'estimate 4f8b00e3e1226b8b02862c5294eef5ff6dffa528b03ac2254de0e176ba34889b', 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:58.818616');
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
('4612d037b82a19f64de4fca71acdd020', 'REJECTED', '{model}', 'WEAK', 'GOOD', '2026-02-16', NULL, '{"challenger": "WEAK", "champion": "GOOD", "rows": 200, "rules": [{"rule": "f1", "value": 0.73224043715847, "bound": 0.99, "passed": false, "at_most": false}, {"rule": "f1 gain", "value": -0.11432040940237653, "bound": 0.0, "passed": false, "at_most": false}], "metrics": {"GOOD": {"accuracy": 0.855, "precision": 0.8695652173913043, "recall": 0.8247422680412371, "f1": 0.8465608465608465, "roc_auc": 0.9365929336402763, "pr_auc": 0.943502727176355, "log_loss": 0.32065176540977, "brier": 0.09565781744446065, "calibration_error": 0.05603721821680665}, "WEAK": {"accuracy": 0.755, "precision": 0.7790697674418605, "recall": 0.6907216494845361, "f1": 0.73224043715847, "roc_auc": 0.7531278150335302, "pr_auc": 0.6881203548309758, "log_loss": 0.6277403617876598, "brier": 0.2175260558997558, "calibration_error": 0.17939820677042007}}, "passed": false}', 'retrain_loans/manual__3', '2026-11-21 17:11:36.952917'),
('6935090d04ea1e0afef07d171c76d29d', 'PROMOTED', '{model}', 'GOOD', 'WEAK', '2026-02-09', NULL, '{"challenger": "GOOD", "champion": "WEAK", "rows": 200, "rules": [{"rule": "f1", "value": 0.8465608465608465, "bound": 0.5, "passed": true, "at_most": false}, {"rule": "f1 gain", "value": 0.11432040940237653, "bound": 0.0, "passed": true, "at_most": false}], "metrics": {"GOOD": {"accuracy": 0.855, "precision": 0.8695652173913043, "recall": 0.8247422680412371, "f1": 0.8465608465608465, "roc_auc": 0.9365929336402763, "pr_auc": 0.943502727176355, "log_loss": 0.32065176540977, "brier": 0.09565781744446065, "calibration_error": 0.05603721821680665}, "WEAK": {"accuracy": 0.755, "precision": 0.7790697674418605, "recall": 0.6907216494845361, "f1": 0.73224043715847, "roc_auc": 0.7531278150335302, "pr_auc": 0.6881203548309758, "log_loss": 0.6277403617876598, "brier": 0.2175260558997558, "calibration_error": 0.17939820677042007}}, "passed": true}', 'retrain_loans/asset_triggered__2', '2026-11-21 17:11:35.348877'),
('a2ec977c57a09e33ff3eab65c23340b2', 'PROMOTED', '{model}', 'WEAK', NULL, '2026-01-26', NULL, '{"challenger": "WEAK", "champion": null, "rows": 200, "rules": [{"rule": "f1", "value": 0.73224043715847, "bound": 0.5, "passed": true, "at_most": false}], "metrics": {"WEAK": {"accuracy": 0.755, "precision": 0.7790697674418605, "recall": 0.6907216494845361, "f1": 0.73224043715847, "roc_auc": 0.7531278150335302, "pr_auc": 0.6881203548309758, "log_loss": 0.6277403617876598, "brier": 0.2175260558997558, "calibration_error": 0.17939820677042007}}, "passed": true}', 'retrain_loans/manual__1', '2026-11-21 17:11:19.601433');
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
('2026-02-09', '05c3da2b5b8ec78f84502a32b6de6abd-1', '4-7', '{model}', 'WEAK', 0.5670174360275269, 1, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:11:28.680442'),
('2026-02-09', '0663d3bc20dbfe0f70379e080faa3e0e-1', '4-22', '{model}', 'WEAK', 0.5670174360275269, 1, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:11:28.680442'),
('2026-02-09', '0683b0d9298b276cadf914c11d628e55-1', '4-12', '{model}', 'WEAK', 0.5670174360275269, 1, 'score_loans/scheduled__2026-02-16T06:00:00', '2026-11-21 17:11:28.680442'),
('2026-02-16', '02920a89393055f969b23094540a760e-1', '6-8', '{model}', 'GOOD', 0.9554981589317322, 1, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:11:43.452417'),
('2026-02-16', '02bf524f37d0babddbe26a93cbec9656-1', '6-42', '{model}', 'GOOD', 0.9477779269218445, 1, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:11:43.452417'),
('2026-02-16', '0302e707507d9c570f4bf9309bae0c0d-1', '6-72', '{model}', 'GOOD', 0.33148232102394104, 0, 'score_loans/scheduled__2026-02-23T06:00:00', '2026-11-21 17:11:43.452417'),
('2026-02-23', '00fdf1915b1a7141a75889ec50f9ca3d-1', '7-27', '{model}', 'GOOD', 0.43868011236190796, 0, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:50.663528'),
('2026-02-23', '0176a0675fe98584ff55adc4b8eba6da-1', '7-96', '{model}', 'GOOD', 0.8331558704376221, 1, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:50.663528'),
('2026-02-23', '0195d383cc9679e1e6d872379002d919-1', '7-1', '{model}', 'GOOD', 0.9364478588104248, 1, 'score_loans/scheduled__2026-03-02T06:00:00', '2026-11-21 17:11:50.663528');
