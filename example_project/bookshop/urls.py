"""The bookshop's API, under /api/."""

from django.urls import include, path
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.routers import SimpleRouter

from .views import accounts, catalogue, diagnostics, files, items, orders, partner

router = SimpleRouter()
router.register("authors", catalogue.AuthorViewSet)
router.register("books", catalogue.BookViewSet)
router.register("reviews", catalogue.ReviewViewSet)
router.register("items", items.ItemViewSet)
router.register("orders", orders.OrderViewSet)
router.register("orders/(?P<number>[A-Z0-9-]+)/lines", orders.OrderLineViewSet, "order-line")

urlpatterns = [
    path("", include(router.urls)),
    path("authors/<int:pk>/books/", catalogue.AuthorBooks.as_view()),
    path("books/<int:pk>/price/", catalogue.PriceTag.as_view()),
    path("books/<int:pk>/cover/", files.Cover.as_view()),
    path("recommendations/", catalogue.Recommendations.as_view()),
    path("archive/", orders.ArchivedOrders.as_view()),
    path("basket/", orders.Basket.as_view()),
    path("partner/stock/", partner.PartnerStock.as_view()),
    path("login/", accounts.Login.as_view()),
    path("logout/", accounts.log_out),
    path("token/", obtain_auth_token),
    path("me/", accounts.me),
    path("password/", accounts.change_password),
    path("newsletter/", accounts.subscribe),
    path("export/books.csv", files.export_books),
    path("terms/", files.terms),
    path("broken/", diagnostics.broken),
    path("content/<slug:kind>/", diagnostics.content),
    path("echo/", diagnostics.echo),
    path("cookies/", diagnostics.cookies),
    path("visits/", diagnostics.visits),
]
