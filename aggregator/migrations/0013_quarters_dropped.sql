-- Nothing reads clicks by the quarter of an hour from here any more: reports take windows that are computed from the
-- rows, and click_changes counts what was ever stored. A view less on every insert.
DROP TABLE IF EXISTS clicks_15m_view;
DROP TABLE IF EXISTS clicks_15m;
