from flat.models import Course, CoursePurchase


def fill():
    made = [
        Course.rows.create(name=f"Course {n}", fee=100, price=9, department="Art", archived=n == 3)
        for n in range(4)
    ]
    for n in range(5):
        CoursePurchase.objects.create(course=made[n % 2], email=f"{n}@x.example", reference=f"R{n}")
    return {
        "products": 4,
        "purchases": 5,
        "shown": 3,
        "title": "Course ",
        "category": ["Art"],
        "price": 9.0,
        "paid": "1.00",
        "url": "/courses/",
    }
