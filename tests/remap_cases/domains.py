"""Tables of many domains. Each column says how it may be abbreviated, what else it may be called, and what it counts."""

from dataclasses import dataclass

from tests.remap_cases import values as v


@dataclass(frozen=True, slots=True)
class Spec:
    """A column: `short` and `like` are other good names for it, `counts` what its numbers or texts are."""

    name: str
    make: v.Make
    short: str
    like: str
    counts: str = ""


TUNED: dict[str, list[Spec]] = {
    "orders": [
        Spec("order_id", v.sequence(1000), "ord_id", "purchase_id", "id"),
        Spec("customer_name", v.person, "cust_nm", "client_name", "person"),
        Spec("customer_email", v.email, "cust_eml", "client_mail", "email"),
        Spec("total_amount", v.lognormal(60, 0.8), "tot_amt", "amount_total", "money"),
        Spec("quantity", v.whole(1, 9), "qty", "units", "count"),
        Spec("order_status", v.pick("new", "paid", "sent", "done", weights=[2, 3, 3, 6]), "ord_stat", "order_state", "code"),
        Spec("ship_city", v.pick("Rome", "Oslo", "Bonn", "Graz", "Lyon"), "shp_cty", "shipment_town", "code"),
        Spec("created_at", v.moment, "crtd_at", "creation_time", "moment"),
        Spec("is_gift", v.pick(True, False, weights=[1, 5]), "gift_flg", "gift_indicator", "flag"),
    ],
    "sensors": [
        Spec("device_id", v.tagged("dev-", 6), "dev_id", "device_identifier", "id"),
        Spec("temperature", v.normal(21, 4), "temp", "temp_value", "celsius"),
        Spec("humidity", v.uniform(0.2, 0.9, 3), "hum", "moisture", "share"),
        Spec("pressure", v.normal(1013, 8, 1), "press", "pressure_value", "hpa"),
        Spec("battery_level", v.whole(0, 100), "batt_lvl", "battery_level_value", "count"),
        Spec("reading_time", v.seconds, "rdg_ts", "measurement_time", "epoch"),
        Spec("altitude", v.lognormal(300, 0.5, 1), "alt", "elevation", "metre"),
        Spec("site", v.pick("north", "south", "lab", "roof"), "site_cd", "site_label", "code"),
    ],
    "people": [
        Spec("employee_id", v.tagged("E", 5), "emp_id", "staff_id", "id"),
        Spec("full_name", v.person, "full_nm", "complete_name", "person"),
        Spec("salary", v.lognormal(52000, 0.3, 0), "sal", "wage", "money"),
        Spec("department", v.pick("IT", "HR", "Sales", "Legal", "Ops"), "dept", "division", "code"),
        Spec("birth_date", v.day, "dob", "date_of_birth", "day"),
        Spec("phone_number", v.phone, "tel", "telephone", "phone"),
        Spec("height", v.normal(1.74, 0.1), "hgt", "stature", "metre"),
        Spec("gender", v.pick("f", "m", "x", weights=[5, 5, 1]), "gndr", "sex", "code"),
        Spec("postal_code", v.tagged("0", 4), "zip", "postcode", "text"),
    ],
    "finance": [
        Spec("transaction_id", v.uuids(), "txn_id", "transaction_identifier", "id"),
        Spec("account_number", v.tagged("AC", 8), "acct_no", "account_no", "id"),
        Spec("balance", v.normal(2500, 1800), "bal", "account_balance", "money"),
        Spec("fee", v.lognormal(4, 0.5), "fee_val", "fee_value", "money"),
        Spec("currency", v.pick("EUR", "USD", "GBP"), "ccy", "currency_code", "code"),
        Spec("interest_rate", v.uniform(0.01, 0.09, 4), "int_rt", "rate_of_interest", "share"),
        Spec("booking_date", v.day, "booking_dt", "booking_day", "day"),
        Spec("description", v.sentence, "descr", "details", "text"),
        Spec("merchant", v.pick("Lidl", "Ikea", "Shell", "Apple", "Zara", "Aldi"), "mrchnt", "merchant_name", "code"),
    ],
    "logs": [
        Spec("request_id", v.uuids(), "req_id", "query_id", "id"),
        Spec("ip_address", v.address, "ip", "client_ip_addr", "ip"),
        Spec("status_code", v.pick(200, 301, 404, 500, weights=[20, 2, 3, 1]), "stat_cd", "statuscode", "count"),
        Spec("duration", v.lognormal(0.25, 0.7, 4), "dur", "elapsed", "second"),
        Spec("message", v.sentence, "msg", "message_text", "text"),
        Spec("severity", v.pick("info", "warn", "error", weights=[9, 2, 1]), "sev", "criticality", "code"),
        Spec("timestamp", v.moment, "ts", "date_time", "moment"),
        Spec("response_size", v.lognormal(9000, 1, 0), "resp_sz", "reply_size", "byte"),
        Spec("host", v.pick("web-1", "web-2", "db-1"), "hostname", "server", "code"),
    ],
    "health": [
        Spec("patient_id", v.tagged("P", 6), "pat_id", "patientidentifier", "id"),
        Spec("heart_rate", v.normal(74, 10, 0), "hr", "pulse", "count"),
        Spec("body_weight", v.normal(76, 13, 1), "body_wt", "body_mass", "kilogram"),
        Spec("glucose", v.normal(5.4, 0.8), "gluc", "blood_sugar", "mmol"),
        Spec("diagnosis", v.pick("flu", "asthma", "anemia", "cold", "angina"), "diag", "dx", "code"),
        Spec("admission_time", v.moment, "adm_ts", "admission_date", "moment"),
        Spec("doctor", v.person, "dr", "physician", "person"),
        Spec("smoker", v.pick(True, False, weights=[1, 3]), "smoker_flg", "is_smoker", "flag"),
    ],
    "logistics": [
        Spec("shipment_id", v.tagged("SH", 7), "shpmt_id", "dispatch_id", "id"),
        Spec("weight", v.lognormal(12, 0.7), "wgt", "mass", "kilogram"),
        Spec("distance", v.lognormal(180, 0.6, 1), "dist", "distance_value", "kilometre"),
        Spec("carrier", v.pick("DHL", "UPS", "GLS", "DPD"), "carr", "carrier_name", "code"),
        Spec("destination_country", v.pick("DE", "FR", "IT", "ES", "PL"), "dest_ctry", "destination_nation", "code"),
        Spec("freight_cost", v.lognormal(35, 0.5), "freight_cst", "freight_costs", "money"),
        Spec("departure_time", v.moment, "dep_ts", "departed_at", "moment"),
        Spec("driver", v.person, "drv", "driver_name", "person"),
    ],
}  # fmt: skip
"""Domains for tuning."""

HELD_OUT: dict[str, list[Spec]] = {
    "energy": [
        Spec("meter_id", v.tagged("M", 7), "mtr_id", "meter_no", "id"),
        Spec("consumption", v.lognormal(11, 0.6, 3), "cons", "usage", "kilowatt"),
        Spec("voltage", v.normal(231, 3, 1), "volt", "tension", "volt"),
        Spec("tariff", v.pick("day", "night", "flat"), "trf", "tariff_name", "code"),
        Spec("read_at", v.seconds, "rd_ts", "reading_timestamp", "epoch"),
        Spec("unit_price", v.uniform(0.18, 0.44, 4), "unit_prc", "price_per_unit", "money"),
        Spec("holder_name", v.person, "hldr_nm", "owner_name", "person"),
        Spec("load_factor", v.uniform(0.1, 0.95, 3), "load_fct", "factor_of_load", "share"),
    ],
    "school": [
        Spec("student_id", v.sequence(40), "stud_id", "pupil_id", "id"),
        Spec("student_name", v.person, "stud_nm", "pupil_name", "person"),
        Spec("grade", v.pick(1, 2, 3, 4, 5, 6), "grd", "mark", "count"),
        Spec("course_title", v.pick("Art", "Math", "Latin", "Music", "Sports"), "crs_ttl", "class_title", "code"),
        Spec("enrolled_on", v.day, "enr_dt", "enrollment_date", "day"),
        Spec("guardian_email", v.email, "guard_eml", "guardian_mail", "email"),
        Spec("tuition", v.lognormal(900, 0.4), "tuit", "tuition_fee", "money"),
        Spec("attendance", v.uniform(0.5, 1, 3), "attend", "attendance_value", "share"),
        Spec("remarks", v.sentence, "rmrks", "comments", "text"),
    ],
    "travel": [
        Spec("booking_ref", v.uuids(), "bkg_ref", "booking_reference", "id"),
        Spec("passenger", v.person, "pax", "traveller", "person"),
        Spec("fare", v.lognormal(210, 0.6), "fare_amt", "fare_amount", "money"),
        Spec("departure", v.moment, "dep", "departs_at", "moment"),
        Spec("airline", v.pick("LH", "AF", "BA", "KL", "IB"), "airln", "carrier", "code"),
        Spec("baggage_weight", v.normal(19, 4, 1), "bag_wt", "luggage_weight", "kilogram"),
        Spec("contact_phone", v.phone, "cont_tel", "contact_telephone", "phone"),
        Spec("cabin", v.pick("eco", "biz", "first", weights=[8, 2, 1]), "cab", "cabin_class", "code"),
        Spec("leg_distance", v.lognormal(900, 0.5, 0), "leg_dist", "leg_length", "kilometre"),
    ],
    "farming": [
        Spec("field_code", v.tagged("F-", 5), "fld_cd", "plot_code", "id"),
        Spec("soil_temperature", v.normal(14, 5, 1), "soil_temp", "soil_tmp", "celsius"),
        Spec("rainfall", v.lognormal(4, 0.9, 1), "rain", "precipitation", "millimetre"),
        Spec("crop", v.pick("rye", "oats", "maize", "beans", "hops"), "crp", "crop_type", "code"),
        Spec("yield_weight", v.lognormal(800, 0.4, 1), "yld_wt", "harvest_weight", "kilogram"),
        Spec("sown_at", v.seconds, "sown_ts", "sowing_time", "epoch"),
        Spec("irrigated", v.pick(True, False, weights=[2, 3]), "irrig", "is_irrigated", "flag"),
        Spec("farmer_email", v.email, "frm_eml", "farmer_mail", "email"),
    ],
    "games": [
        Spec("player_id", v.uuids(), "plyr_id", "gamer_id", "id"),
        Spec("nickname", v.tagged("pro", 6), "nick", "handle", "text"),
        Spec("score", v.lognormal(1500, 0.8, 0), "scr", "points", "count"),
        Spec("session_length", v.lognormal(1800, 0.6, 0), "sess_len", "session_duration", "second"),
        Spec("platform", v.pick("pc", "ps5", "xbox", "switch"), "pltfrm", "system_platform", "code"),
        Spec("last_login", v.moment, "last_lgn", "latest_login", "moment"),
        Spec("spend", v.lognormal(15, 0.9), "spnd", "money_spent", "money"),
        Spec("ip_addr", v.address, "ipaddr", "ip_address", "ip"),
    ],
}  # fmt: skip
"""Domains that nothing was tuned on."""
